// Clients that hang with megabytes on their way cost the others two seconds at most, and the generator nothing. Real sockets, fake time.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { systemClock } from '../../src/base/clock.ts'
import { FakeClock } from '../../src/base/fake-clock.ts'
import { silentLogger } from '../../src/base/log.ts'
import { seededRandom } from '../../src/base/random.ts'
import { Watchable } from '../../src/base/watchable.ts'
import { createIssuer } from '../../src/ca/issuer.ts'
import { openRoot } from '../../src/ca/roots.ts'
import { fullCodec } from '../../src/envoy/full-codec.ts'
import { CLUSTER_TYPE, DELTA_ADS_PATH } from '../../src/envoy/type-urls.ts'
import { allShared } from '../../src/xds/generate/resources.ts'
import { createXdsServer } from '../../src/xds/serve/ads-server.ts'
import { startGrpcServer } from '../../src/xds/serve/grpc-server.ts'
import { AdsClient, type ClientIdentity } from './support/ads-client.ts'
import { CART_NODE } from './support/mesh.ts'

const HANGING = 55
const MEGABYTE = Buffer.alloc(1_000_000, 1)

/** Subscribes and never reads: HTTP/2's window fills, as with a process that is stopped. */
function hang(t: TestContext, port: number, rootPem: string, { keyPem, chainPem }: ClientIdentity, request: Buffer): void {
  const session = connect(`https://127.0.0.1:${port}`, { ca: rootPem, key: keyPem, cert: chainPem, servername: 'istiod.istio-system.svc' })
  session.on('error', () => undefined)
  t.after(() => session.destroy())
  const stream = session.request({ ':method': 'POST', ':path': DELTA_ADS_PATH, 'content-type': 'application/grpc', te: 'trailers' })
  stream.on('error', () => undefined)
  const head = Buffer.alloc(5)
  head.writeUInt32BE(request.length, 1)
  stream.write(Buffer.concat([head, request]))
}

test('fifty clients that hang do not keep the next one from its configuration', async (t) => {
  const stateFolder = mkdtempSync(join(tmpdir(), 'lateen-pressure-'))
  t.after(() => rmSync(stateFolder, { recursive: true }))
  const clock = new FakeClock(systemClock.nowMs())
  const root = openRoot({ stateFolder, trustDomain: 'cluster.local', clock })
  const issuer = createIssuer({ ca: () => root, clock })
  const certify = (uri: string): { readonly keyPem: string; readonly chainPem: string } => {
    const { chain, keyPem } = issuer.issueWithKey([{ uri }, { dns: 'istiod.istio-system.svc' }])
    return { keyPem, chainPem: chain.join('') }
  }
  let asked = 0
  const resources = allShared(new Map([[CLUSTER_TYPE, new Map([['big', { version: '1', bytes: MEGABYTE }]])]]))
  const xds = createXdsServer({
    resourcesFor() {
      asked++
      return resources
    },
    trust: () => ({ trustDomain: 'cluster.local', bundle: root.bundle }),
    clock,
    log: silentLogger,
  })
  const certificate = new Watchable(certify('spiffe://cluster.local/ns/istio-system/sa/istiod'))
  const server = await startGrpcServer({
    host: '127.0.0.1',
    port: 0,
    tls: { certificate, rootsPem: new Watchable(root.bundle.pem) },
    clock,
    random: seededRandom(1),
    services: [xds.service],
  })
  const clients: AdsClient[] = []
  t.after(() => {
    for (const client of clients) client.close()
    xds.close()
    server.close()
  })
  const identity = certify('spiffe://cluster.local/ns/default/sa/cart')
  const connectHealthy = (): AdsClient => {
    const client = new AdsClient(server.port, root.bundle.pem, identity, CART_NODE)
    clients.push(client)
    client.subscribe(CLUSTER_TYPE)
    return client
  }
  const subscribe = fullCodec.encode('envoy.service.discovery.v3.DeltaDiscoveryRequest', { node: { id: CART_NODE }, typeUrl: CLUSTER_TYPE })
  for (let index = 0; index < HANGING; index++) hang(t, server.port, root.bundle.pem, identity, subscribe)
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
  while (xds.statuses().length < HANGING || xds.metrics.pushes < 50) await turn()
  const healthy = connectHealthy()
  while (xds.statuses().length <= HANGING) await turn()
  assert.equal(asked, 50, 'nothing is made for clients whose turn has not come')
  clock.advance(2000)
  await healthy.until(() => healthy.held.has('CDS'))
  xds.update()
  assert.equal(healthy.responses.length, 1)
})
