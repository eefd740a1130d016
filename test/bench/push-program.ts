// A control plane that pushes without pause, as a program of its own: node push-program.ts HOP_AS_JSON. Prints its port. Told over IPC how many pushes a minute
// for how long, it changes routes and endpoints in turn (and the certificate, where the proxy gets it from here) and tells how many were
// sent and acknowledged. Every response's nonce must come back, without an error.
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { MessageName } from '../../src/envoy/any.ts'
import { fullCodec } from '../../src/envoy/full-codec.ts'
import type { DeltaDiscoveryRequest, MessageTypes } from '../../src/envoy/generated/messages.gen.ts'
import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE, SECRET_TYPE } from '../../src/envoy/type-urls.ts'
import type { CertificateFiles } from '../harness/certificates.ts'
import { FakeControlPlane } from '../harness/fake-control-plane.ts'
import { type BenchBootstrap, PUSHED_SECRET, pushedResources } from './bootstraps.ts'
import type { PushOrder, PushReport } from './pushes.ts'

/** A certificate is renewed that often, and never as often as routes. */
const ROTATE_EVERY_PUSHES = 25

// Written by pushes.ts and churn.ts.
const { hop, certificates = [] } = JSON.parse(process.argv[2] ?? '{}') as {
  readonly hop: BenchBootstrap
  /** Of one identity, sent in turn. */
  readonly certificates?: readonly CertificateFiles[]
}
const plane = new FakeControlPlane()
const report: { sent: number; acknowledged: number; refused: string[] } = { sent: 0, acknowledged: 0, refused: [] }
let change = 0

function message<K extends MessageName>(name: K, json: unknown): MessageTypes[K] {
  const result = fullCodec.fromJson(name, json)
  if (!result.ok) throw new Error(JSON.stringify(result.problems))
  return result.value
}

function send(typeUrl: string): void {
  const version = String(++change)
  const { listener, routes, cluster, endpoints } = pushedResources(hop, change)
  report.sent++
  if (typeUrl === LISTENER_TYPE) {
    const name = 'envoy.config.listener.v3.Listener'
    plane.send(name, { [`127.0.0.1_${hop.listenPort}`]: [version, message(name, listener)] })
  } else if (typeUrl === CLUSTER_TYPE) {
    const name = 'envoy.config.cluster.v3.Cluster'
    plane.send(name, { upstream: [version, message(name, cluster)] })
  } else if (typeUrl === ENDPOINT_TYPE) {
    const name = 'envoy.config.endpoint.v3.ClusterLoadAssignment'
    plane.send(name, { upstream: [version, message(name, endpoints)] })
  } else if (typeUrl === ROUTE_TYPE) {
    const name = 'envoy.config.route.v3.RouteConfiguration'
    plane.send(name, { bench: [version, message(name, routes)] })
  } else if (typeUrl === SECRET_TYPE && certificates.length > 0) {
    const files = certificates[change % certificates.length]
    const inline = (file = ''): object => ({ inline_string: readFileSync(file, 'utf8') })
    const certificate = { certificate_chain: inline(files?.chain), private_key: inline(files?.key) }
    const name = 'envoy.extensions.transport_sockets.tls.v3.Secret'
    plane.send(name, { [PUSHED_SECRET]: [version, message(name, { name: PUSHED_SECRET, tls_certificate: certificate })] })
  } else report.sent--
}

/** The first request of a type is answered; the others tell what became of a push. */
function take(request: DeltaDiscoveryRequest): void {
  const { typeUrl = '', responseNonce = '', errorDetail } = request
  if (responseNonce === '') return send(typeUrl)
  if (errorDetail === undefined) report.acknowledged++
  else report.refused.push(errorDetail.message ?? '')
}

async function push({ perMinute, seconds }: PushOrder): Promise<void> {
  const startedAt = performance.now()
  const total = Math.round((perMinute * seconds) / 60)
  for (let at = 0; at < total; at++) {
    await sleep(Math.max(0, startedAt + (at * 60_000) / perMinute - performance.now()))
    if (certificates.length > 0 && at % ROTATE_EVERY_PUSHES === 0) send(SECRET_TYPE)
    else send(at % 2 === 0 ? ROUTE_TYPE : ENDPOINT_TYPE)
  }
  // The last acknowledgements are on their way.
  for (let waits = 0; waits < 100 && report.acknowledged + report.refused.length < report.sent; waits++) await sleep(20)
  const told: PushReport = report
  process.send?.(told)
}

process.on('message', (order: PushOrder) => void push(order))
process.on('disconnect', () => process.exit(0))
await plane.start()
process.stdout.write(`${plane.port}\n`)
for (;;) take(await plane.request())
