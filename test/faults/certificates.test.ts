// A certificate expires on one side while requests flow: docs/faults.md 9.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { createServer } from 'node:tls'
import { TestCa } from '../harness/certificates.ts'
import { describe, startSidecar } from './sidecar.ts'

const ID = 'spiffe://cluster.local/ns/default/sa/echo'
const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'

/** An application behind TLS whose certificate can be replaced. */
async function startTls(t: TestContext, own: { readonly chainPem: string; readonly keyPem: string }) {
  const sockets = new Set<{ destroy(): void }>()
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
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  const address = server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    /** Sessions of before cannot be resumed. */
    use: (next: { readonly chainPem: string; readonly keyPem: string }) => {
      server.setSecureContext({ cert: next.chainPem, key: next.keyPem, minVersion: 'TLSv1.3' })
      server.setTicketKeys(randomBytes(48))
    },
  }
}

test("the upstream's certificate expires: who is connected is served, new connections are 503 UF, a new certificate heals it", async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'lateen-certificates-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const ca = new TestCa()
  const roots = path.join(folder, 'root.pem')
  writeFileSync(roots, ca.rootPem)
  const application = await startTls(t, ca.issue(ID))
  const tls = {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
      sni: 'echo.test',
      common_tls_context: {
        validation_context: {
          trusted_ca: { filename: roots },
          match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { exact: ID } }],
        },
      },
    },
  }
  // A connection serves a hundred requests, so that new ones are made all the time.
  const sidecar = await startSidecar(t, {
    upstream: { host: '127.0.0.1', port: application.port },
    cluster: { transport_socket: tls, max_requests_per_connection: 50 },
  })
  const load = sidecar.load(6000)
  await sidecar.untilAnswered(100)
  // Two seconds from now: sessions are resumed until then, and not afterwards.
  application.use(ca.issue(ID, { notAfterMs: Date.now() + 2000 }))
  await sidecar.untilAnswered(50, 503)
  application.use(ca.issue(ID))
  const report = await load
  t.diagnostic(describe(report))
  const after = await sidecar.assertRecovered()
  await sidecar.assertBooks([report, after], { 200: ['-'], 503: ['UF'] })
  await sidecar.untilLogged(({ reason }) => reason.includes('certificate has expired'), 'the reason')
  assert.ok((await sidecar.metric('lateen_proxy_upstream_connect_failures_total')) >= 1)
})
