// Mutual TLS as somebody outside sees it: what our sidecars show, whom they let in, and whom they call.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { createServer, type TLSSocket } from 'node:tls'
import { FAILURES } from '../../src/proxy/rescue.ts'
import { type AccessLogLine, untilLogged } from '../harness/access-log.ts'
import { TestCa, type TestCertificate } from '../harness/certificates.ts'
import { postOnce } from '../harness/http-connection.ts'
import { echoMesh, STRICT, split } from '../harness/mesh-files.ts'
import { type MeshParts, startEchoParts } from '../harness/mesh-parts.ts'
import { namesIn, requireOpenssl, sClient, startSServer, writeCertificate } from '../harness/openssl.ts'
import { postOverTls, servedCertificate, urisOf } from '../harness/tls-facts.ts'
import { waitFor } from '../harness/wait.ts'

const CALLER = 'spiffe://cluster.local/ns/default/sa/caller'
const ECHO = 'spiffe://cluster.local/ns/default/sa/echo'
const PAST = { notBeforeMs: Date.now() - 7_200_000, notAfterMs: Date.now() - 3_600_000 }
/** Ends itself: openssl's s_client waits for the server to close. */
const REQUEST = 'POST /head HTTP/1.1\r\nhost: echo:8080\r\ncontent-length: 0\r\nconnection: close\r\n\r\n'

test('an inbound sidecar shows its identity over TLS 1.3 and lets in only who proves one of this mesh', async (t) => {
  const mesh = await startEchoParts(t, { files: { ...echoMesh({ v2: 0 }), 'strict.yaml': STRICT } })
  const to = mesh.inbound('echo-v1')
  const own = await mesh.certificateFor('caller')

  await t.test('a workload of the mesh is served, and the application learns who called', async () => {
    const served = await servedCertificate(to, own, mesh.rootPem)
    assert.equal(served.protocol, 'TLSv1.3')
    assert.deepEqual(served.uris, [ECHO])
    const outcome = await postOverTls(to, own, mesh.rootPem)
    assert.ok(outcome.answered, JSON.stringify(outcome))
    assert.equal(outcome.answer.status, 200)
    assert.ok(outcome.answer.body.includes(`URI=${CALLER}`), outcome.answer.body)
  })

  const before = await answeredBy(mesh)
  const foreign = new TestCa('cluster.local')
  const refused: readonly (readonly [string, TestCertificate | undefined])[] = [
    ['no client certificate', undefined],
    ['a foreign root, with the right name', foreign.issue(CALLER)],
    ['an expired certificate of the own root', mesh.forge({ uri: CALLER }, PAST)],
    [
      'a certificate that is not valid yet',
      mesh.forge({ uri: CALLER }, { notBeforeMs: Date.now() + 3_600_000, notAfterMs: Date.now() + 7_200_000 }),
    ],
    ['an identity of another trust domain', mesh.forge({ uri: 'spiffe://elsewhere.example/ns/default/sa/caller' })],
    ['a certificate without an identity', mesh.forge({ dns: 'caller.default.svc.cluster.local' })],
  ]
  for (const [what, certificate] of refused) {
    await t.test(`refused: ${what}`, async () => {
      const outcome = await postOverTls(to, certificate, mesh.rootPem)
      assert.equal(outcome.answered, false, JSON.stringify(outcome))
    })
  }

  await t.test('STRICT refuses plaintext and says so', async () => {
    const answer = await postOnce(to, '/pay')
    assert.equal(answer.status, 400)
    assert.equal(answer.body.trim(), FAILURES['plaintext-refused'].body)
    assert.equal(answer.headers.get('connection'), 'close')
  })

  assert.equal(await answeredBy(mesh), before, 'nothing that was refused reached the application')
})

test('a sidecar calls only who proves to be the service, and says why not', async (t) => {
  const mesh = await startEchoParts(t, { files: { ...echoMesh(), 'strict.yaml': STRICT, 'route.yaml': split(0, 100) } })
  // From here on somebody else listens where the sidecar of echo-v2 did.
  await mesh.end('echo-v2 sidecar')
  const foreign = new TestCa('cluster.local')

  await t.test('the service itself is called, by a client that shows its identity over TLS 1.3', async (sub) => {
    const impostor = await listenAs(sub, mesh, await mesh.certificateFor('echo'))
    const answer = await postOnce(mesh.outbound('caller'), '/pay')
    assert.equal(answer.status, 200)
    await untilLogged(() => mesh.accessLog('caller'), isPost, 'the answer of the right one')
    assert.deepEqual(impostor.callers, [
      { protocol: 'TLSv1.3', uris: [CALLER], serverName: 'outbound_.8080_.v2_.echo.default.svc.cluster.local' },
    ])
  })

  const refused: readonly (readonly [string, () => TestCertificate | Promise<TestCertificate>, RegExp])[] = [
    ['another workload of the mesh', () => mesh.certificateFor('caller'), /SAN|identity/i],
    ['a foreign root, with the right name', () => foreign.issue(ECHO), /TLS_error/],
    ['an expired certificate of the own root', () => mesh.forge({ uri: ECHO }, PAST), /expired/],
  ]
  for (const [what, certificate, reason] of refused) {
    await t.test(`not called: ${what}`, async (sub) => {
      const impostor = await listenAs(sub, mesh, await certificate())
      const seen = mesh.accessLog('caller').length
      const answer = await postOnce(mesh.outbound('caller'), '/pay')
      assert.equal(answer.status, 503)
      assert.ok(answer.body.startsWith(FAILURES['upstream-identity'].body), answer.body)
      const line = await untilLogged(() => mesh.accessLog('caller').slice(seen), isPost, what)
      assert.equal(line.status, 503)
      // URX: as in Envoy, the default policy has tried again what was surely not sent.
      assert.match(line.flags, /^UF(?:,URX)?$/)
      assert.match(line.transportFailure, reason)
      assert.equal(impostor.requests, 0)
    })
  }
})

test("openssl's s_client and s_server agree: TLS 1.3, the right names on both sides, nobody without a certificate", async (t) => {
  if (!requireOpenssl(t)) return
  const mesh = await startEchoParts(t, { files: { ...echoMesh(), 'strict.yaml': STRICT, 'route.yaml': split(0, 100) } })
  const folder = mkdtempSync(path.join(tmpdir(), 'lateen-openssl-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))

  await t.test('s_client sees the sidecar of echo', async () => {
    const own = writeCertificate(folder, await mesh.certificateFor('caller'), mesh.rootPem)
    const printed = await sClient(mesh.inbound('echo-v1'), own.roots, own, REQUEST)
    assert.match(printed, /New, TLSv1\.3/)
    assert.match(printed, /Verify return code: 0 \(ok\)/)
    assert.match(namesIn(printed), new RegExp(`URI:${ECHO}\\s*$`))
    assert.match(printed, /HTTP\/1\.1 200 OK/)
  })

  await t.test('s_client without a certificate is told that one is required', async () => {
    const own = writeCertificate(folder, await mesh.certificateFor('caller'), mesh.rootPem)
    const printed = await sClient(mesh.inbound('echo-v1'), own.roots, undefined, REQUEST)
    assert.match(printed, /alert certificate required|alert handshake failure/)
    assert.doesNotMatch(printed, /HTTP\/1\.1/)
  })

  await t.test('s_server sees the sidecar of the caller', async (sub) => {
    await mesh.end('echo-v2 sidecar')
    const own = writeCertificate(folder, await mesh.certificateFor('echo'), mesh.rootPem)
    await startSServer(sub, mesh.inbound('echo-v2'), own)
    const { host, port } = mesh.outbound('caller')
    const response = await fetch(`http://${host}:${port}/`)
    const page = await response.text()
    assert.equal(response.status, 200, page)
    assert.match(page, /TLSv1\.3/)
    assert.match(page, new RegExp(`URI:${CALLER}`))
  })
})

interface Impostor {
  /** Who completed a handshake, as seen from here. */
  readonly callers: { readonly protocol: string | null; readonly uris: readonly string[]; readonly serverName: string }[]
  requests: number
}

/** A TLS server in the place of the sidecar of echo-v2. */
async function listenAs(t: TestContext, mesh: MeshParts, certificate: TestCertificate): Promise<Impostor> {
  const impostor: Impostor = { callers: [], requests: 0 }
  const open = new Set<TLSSocket>()
  const server = createServer(
    {
      cert: certificate.chainPem,
      key: certificate.keyPem,
      ca: mesh.rootPem,
      requestCert: true,
      rejectUnauthorized: true,
      ALPNProtocols: ['istio-http/1.1', 'istio'],
    },
    (socket) => {
      open.add(socket)
      const peer = socket.getPeerX509Certificate()
      const serverName = 'servername' in socket && typeof socket.servername === 'string' ? socket.servername : ''
      impostor.callers.push({ protocol: socket.getProtocol(), uris: peer === undefined ? [] : urisOf(peer), serverName })
      socket.on('error', () => undefined)
      socket.on('data', () => {
        impostor.requests++
        socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok')
      })
    },
  )
  server.on('tlsClientError', () => undefined)
  const { host, port } = mesh.inbound('echo-v2')
  server.listen(port, host)
  await once(server, 'listening')
  t.after(async () => {
    for (const socket of open) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })
  return impostor
}

/** Requests that the application of echo-v1 has answered, by its own count. */
async function answeredBy(mesh: MeshParts): Promise<number> {
  const [inbound] = mesh.addresses('echo-v1').inbound
  const url = `http://${inbound?.application.host}:${inbound?.application.port}/facts`
  const facts = await waitFor(async () => (await fetch(url)).json(), { what: 'the facts of echo-v1' })
  return Number(Object(facts).answered)
}

function isPost({ method }: AccessLogLine): boolean {
  return method === 'POST'
}
