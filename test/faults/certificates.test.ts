// A certificate expires on one side while requests flow: docs/faults.md 10, 11.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { connect, createServer, type TLSSocket } from 'node:tls'
import type { TestCertificate } from '../harness/certificates.ts'
import { startDrill } from './drill.ts'
import { temporaryFolder } from './sidecar.ts'
import { Identities, MUTUAL_HTTP1, MUTUAL_HTTP2, SERVER_ID } from './wires.ts'

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'
/** Until then sessions are resumed, and not afterwards. */
const LEFT_MS = 2000

/** An application behind TLS whose certificate can be replaced. */
async function startTls(t: TestContext, own: TestCertificate) {
  const sockets = new Set<TLSSocket>()
  const server = createServer({ cert: own.chainPem, key: own.keyPem, minVersion: 'TLSv1.3' }, (socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    let text = ''
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      text += chunk
      // The load's requests: a head and ten octets.
      for (;;) {
        const end = text.indexOf('\r\n\r\n')
        const length = end < 0 ? 0 : end + 4 + Number(/content-length: *(\d+)/i.exec(text)?.[1] ?? 0)
        if (end < 0 || text.length < length) return
        text = text.slice(length)
        socket.write(OK)
      }
    })
  })
  server.on('tlsClientError', () => undefined)
  server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 })
  await once(server, 'listening')
  t.after(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  const address = server.address()
  return {
    at: { host: '127.0.0.1', port: typeof address === 'object' && address !== null ? address.port : 0 },
    /** Sessions of before cannot be resumed. */
    use: (next: TestCertificate) => {
      server.setSecureContext({ cert: next.chainPem, key: next.keyPem, minVersion: 'TLSv1.3' })
      server.setTicketKeys(randomBytes(48))
    },
  }
}

test("the upstream's certificate expires: new connections are 503 UF, and a new certificate heals it", async (t) => {
  const identities = new Identities(temporaryFolder(t))
  const application = await startTls(t, identities.server)
  const drill = await startDrill(t, {
    // A connection serves fifty requests, so that new ones are made all the time.
    sick: {
      at: application.at,
      cluster: { transport_socket: identities.transportSocket('Upstream', 'http1'), max_requests_per_connection: 50 },
    },
  })
  await drill.during({
    name: 'expired',
    // In force when a hundred have been refused: until then kept connections and sessions serve.
    inject: async () => {
      application.use(identities.ca.issue(SERVER_ID, { notAfterMs: Date.now() + LEFT_MS }))
      await drill.load.until({ lane: 'sick', phase: 'expired-inject', status: 503, least: 100 })
    },
    until: 503,
    mend: () => application.use(identities.server),
    // 200: a connection of before that has not served its fifty.
    answers: { 503: ['UF'], 200: ['-'] },
  })
  await drill.finish()
  const refused = drill.sidecar.requests().filter(({ flags }) => flags === 'UF')
  assert.ok(
    refused.every(({ reason }) => reason.includes('certificate has expired')),
    JSON.stringify(refused[0]),
  )
  assert.ok((await drill.sidecar.metric('lateen_proxy_upstream_connect_failures_total', 'cluster="sick"')) >= 1)
  assert.equal(await drill.sidecar.metric('lateen_proxy_upstream_connect_failures_total', 'cluster="well"'), 0)
  await drill.assertMetricsTellTheLog()
})

for (const wire of [MUTUAL_HTTP1, MUTUAL_HTTP2]) {
  test(`${wire.name}: clients whose certificate has expired are refused in the handshake; who is connected does not notice`, async (t) => {
    const drill = await startDrill(t, { wire })
    const { load, sidecar, identities } = drill
    assert.ok(identities !== undefined)
    await drill.allIsWell('before')
    await load.phase('fault')
    const expired = identities.ca.issue('spiffe://cluster.local/ns/default/sa/late', { notAfterMs: Date.now() - 1000 })
    const call = async (own: TestCertificate): Promise<string> => {
      const secrets = { ca: identities.ca.rootPem, cert: own.chainPem, key: own.keyPem }
      const protocol = wire.protocol === 'http2' ? 'h2' : 'http/1.1'
      const socket = connect({
        host: sidecar.host,
        port: sidecar.port,
        ...secrets,
        ALPNProtocols: [protocol],
        checkServerIdentity: () => undefined,
      })
      t.after(() => socket.destroy())
      return await new Promise((resolve) => {
        socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
        socket.on('data', () => resolve('answered'))
        socket.on('close', () => resolve('closed'))
        // TLS 1.3: the client believes that it is connected before it has been judged. HTTP/2: the server speaks first.
        if (wire.protocol === 'http1') socket.write('GET /well/direct HTTP/1.1\r\nhost: echo\r\n\r\n')
      })
    }
    const heard = await Promise.all(Array.from({ length: 50 }, () => call(expired)))
    for (const each of heard) assert.match(each, /EXPIRED|closed|ECONNRESET/)
    await drill.allIsWell('fault')
    const lines = await sidecar.untilLogged(50, ({ flags }) => flags === 'NR')
    assert.equal(lines.length, 50)
    for (const { reason } of lines) assert.match(reason, /TLS_error: CERT_HAS_EXPIRED/)
    assert.equal(await sidecar.metric('istio_tcp_connections_closed_total', 'response_flags="NR"'), 50)
    // With a valid one: as before.
    assert.equal(await call(identities.client), 'answered')
    await load.phase('after')
    await drill.allIsWell('after')
    await drill.finish()
  })
}
