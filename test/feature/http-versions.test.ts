// Which HTTP is spoken between two sidecars and to the application, by what the user declares: ours and stock Envoys in every combination,
// under mutual TLS, asked by clients of both versions.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import type { ServerHttp2Stream } from 'node:http2'
import { type TestContext, test } from 'node:test'
import { ask, connectHttp2, startHttp2Upstream } from '../dataplane/http2-peers.ts'
import { always, OK, requestsOf, startUpstream } from '../dataplane/peers.ts'
import { PAIRS, type PairLab, startPairLab } from './support/pair-lab.ts'

interface Declared {
  readonly port: string
  readonly rule?: string
  /** What requests of each version arrive as, at the server's sidecar. */
  readonly between: Readonly<Record<Version, string>>
  readonly application: Version
}

type Version = 'HTTP/1.1' | 'HTTP/2'

const ALWAYS_1 = { 'HTTP/1.1': 'HTTP/1.1', 'HTTP/2': 'HTTP/1.1' }
const ALWAYS_2 = { 'HTTP/1.1': 'HTTP/2', 'HTTP/2': 'HTTP/2' }
const AS_CALLED = { 'HTTP/1.1': 'HTTP/1.1', 'HTTP/2': 'HTTP/2' }

const DECLARED: readonly Declared[] = [
  { port: 'name: http', between: ALWAYS_1, application: 'HTTP/1.1' },
  { port: 'name: grpc', between: ALWAYS_2, application: 'HTTP/2' },
  { port: 'name: web, appProtocol: kubernetes.io/h2c', between: ALWAYS_2, application: 'HTTP/2' },
  { port: 'name: http', rule: 'h2UpgradePolicy: UPGRADE', between: ALWAYS_2, application: 'HTTP/1.1' },
  { port: 'name: http', rule: 'useClientProtocol: true', between: AS_CALLED, application: 'HTTP/1.1' },
]

for (const { port, rule, between, application } of DECLARED) {
  for (const kinds of PAIRS) {
    const declared = rule === undefined ? port : `${port}, ${rule}`
    test(`${kinds.client} to ${kinds.server}, ${declared}: both versions of HTTP are answered`, async (t) => {
      const app = application === 'HTTP/2' ? await startHttp2App(t) : await startHttp1App(t)
      const lab = await startPairLab(t, kinds, { port, mode: 'STRICT', application: app, objects: ruleFor(rule) })
      if (lab === undefined) return

      assert.equal(await askHttp1(lab), 'pong')
      assert.equal((await ask(await connectHttp2(t, lab.service), {}, 'ping')).body.toString(), 'pong')

      const seen = lab.server?.http.map(({ protocol }) => protocol) ?? [between['HTTP/1.1'], between['HTTP/2']]
      assert.deepEqual(seen, [between['HTTP/1.1'], between['HTTP/2']])
    })
  }
}

for (const kinds of PAIRS.filter(({ server }) => server === 'our proxy')) {
  test(`${kinds.client} to our proxy over HTTP/2: the caller is proven`, async (t) => {
    const lab = await startPairLab(t, kinds, { port: 'name: grpc', mode: 'STRICT', application: await startHttp2App(t) })
    if (lab === undefined) return

    await ask(await connectHttp2(t, lab.service), {}, 'ping')

    assert.equal(lab.server?.http[0]?.connection.peerPrincipal, 'spiffe://cluster.local/ns/default/sa/client')
    if (lab.client !== undefined) assert.equal(lab.server?.http[0]?.connection.peer?.workload, 'productpage-v1')
  })
}

test('our own proxies agree on HTTP/2 by a name of their own, and say who they are once per connection', async (t) => {
  const kinds = { client: 'our proxy', server: 'our proxy' } as const
  const heads: string[] = []
  const upstream = await startHttp2Upstream(t, (stream, headers) => {
    heads.push(...Object.keys(headers))
    stream.respond({ ':status': 200 })
    stream.end('pong')
  })
  const lab = await startPairLab(t, kinds, { port: 'name: grpc', mode: 'STRICT', application: upstream.port })
  if (lab === undefined) return
  const session = await connectHttp2(t, lab.service)

  await ask(session, {})
  await ask(session, {})

  const peers = lab.server?.http.map(({ connection }) => connection.peer?.workload)
  assert.deepEqual(peers, ['productpage-v1', 'productpage-v1'])
  assert.deepEqual(
    heads.filter((name) => name.startsWith('x-envoy-peer-metadata')),
    [],
  )
})

for (const [rule, connections] of [
  [undefined, 1],
  ['maxConcurrentStreams: 1', 2],
] as const) {
  for (const kinds of PAIRS.filter(({ server }) => server === 'our proxy')) {
    test(`${kinds.client} to our proxy, ${rule ?? 'no limit'}: two calls at a time take ${connections} connections`, async (t) => {
      const waiting: ServerHttp2Stream[] = []
      const upstream = await startHttp2Upstream(t, (stream) => {
        waiting.push(stream)
        if (waiting.length < 2) return
        for (const each of waiting) {
          each.respond({ ':status': 200 })
          each.end('pong')
        }
      })
      const options = { port: 'name: grpc', mode: 'STRICT', application: upstream.port, objects: ruleFor(rule) } as const
      const lab = await startPairLab(t, kinds, options)
      if (lab === undefined) return
      const session = await connectHttp2(t, lab.service)

      await Promise.all([ask(session, {}), ask(session, {})])

      assert.equal(new Set(lab.server?.http.map(({ connection }) => connection)).size, connections)
    })
  }
}

for (const kinds of PAIRS.filter(({ client }) => client === 'our proxy')) {
  test(`${kinds.client} to ${kinds.server}: what proxies say of themselves is not told to the application`, async (t) => {
    const application = await startUpstream(t, always(OK))
    const lab = await startPairLab(t, kinds, { port: 'name: http', mode: 'STRICT', application: application.port })
    if (lab === undefined) return

    assert.equal(await askHttp1(lab), 'ok')

    const heads = application.connections.flatMap(requestsOf).join('')
    assert.match(heads, /x-request-id/i)
    assert.doesNotMatch(heads, /peer-metadata/i)
  })
}

function ruleFor(setting: string | undefined): string {
  if (setting === undefined) return ''
  const rule = 'apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: server, namespace: default}\n'
  return `${rule}spec: {host: server, trafficPolicy: {connectionPool: {http: {${setting}}}}}\n`
}

async function startHttp1App(t: TestContext): Promise<number> {
  const server = http.createServer((request, response) => {
    request.resume()
    response.end('pong')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  return address.port
}

async function startHttp2App(t: TestContext): Promise<number> {
  const upstream = await startHttp2Upstream(t, (stream) => {
    stream.resume()
    stream.respond({ ':status': 200 })
    stream.end('pong')
  })
  return upstream.port
}

async function askHttp1({ service }: PairLab): Promise<string> {
  const request = http.request({ host: '127.0.0.1', port: service, method: 'POST', agent: false })
  request.end('ping')
  const [response]: [http.IncomingMessage] = await new Promise((resolve, reject) => {
    request.on('response', (answer) => resolve([answer]))
    request.on('error', reject)
  })
  let text = ''
  for await (const chunk of response) text += String(chunk)
  return text
}
