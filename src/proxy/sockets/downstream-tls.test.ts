// Handshakes with clients: whose they are when many are under way, with this Node and with one that does not say, and what is agreed on.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import tls from 'node:tls'
import { makeAuthority } from '../../../test/harness/authorities.ts'
import { TestCa } from '../../../test/harness/certificates.ts'
import { waitFor } from '../../../test/harness/wait.ts'
import { systemClock } from '../../base/clock.ts'
import { silentLogger } from '../../base/log.ts'
import { LocalSecretStore } from '../certs/local-secret-store.ts'
import { DownstreamTlsServer, type SecurePeer } from './downstream-tls.ts'

interface Secured {
  readonly accepted: net.Socket
  readonly peer: SecurePeer
}

/** A listener of mutual TLS; `secured` are the handshakes that came through, each with the socket that it was started on; `refused` why
 *  the others did not. */
async function listen(
  t: TestContext,
  ca: TestCa,
  { curves, rootsPem = ca.rootPem }: { curves?: readonly string[]; rootsPem?: string } = {},
) {
  const secrets = new LocalSecretStore(systemClock, silentLogger)
  secrets.setKeyPair('own', ca.issue('spiffe://mesh/server'))
  secrets.setRoots('roots', rootsPem)
  const server = new DownstreamTlsServer(
    {
      certificate: { kind: 'secret', name: 'own' },
      validation: { trust: { kind: 'secret', name: 'roots' }, subjectAltNames: [] },
      requiresClientCertificate: true,
      alpn: [],
      minVersion: 'TLSv1.3',
      curves,
    },
    secrets,
    systemClock,
  )
  const secured: Secured[] = []
  const refused: string[] = []
  const listener = net.createServer({ allowHalfOpen: true }, (accepted) => {
    t.after(() => accepted.destroy())
    accepted.on('error', () => undefined)
    server.accept(accepted, undefined, {
      onSecure: (peer) => {
        secured.push({ accepted, peer })
        peer.socket.end(peer.names.uris[0] ?? '')
      },
      onRefused: (reason) => refused.push(reason),
    })
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  t.after(() => {
    server.close()
    listener.close()
  })
  return { port: (listener.address() as AddressInfo).port, secured, refused }
}

/** Resolves to what it was told: its own name, if nobody was mistaken. */
async function call(t: TestContext, port: number, ca: TestCa, id: string, curves: tls.ConnectionOptions = {}) {
  const { chainPem, keyPem } = ca.issue(id)
  const secrets = { cert: chainPem, key: keyPem, ca: ca.rootPem, checkServerIdentity: () => undefined }
  const socket = tls.connect({ port, host: '127.0.0.1', ...secrets, ...curves })
  t.after(() => socket.destroy())
  let told = ''
  socket.on('data', (chunk: Buffer) => (told += chunk.toString()))
  await once(socket, 'end')
  return { told, cipher: socket.getCipher().name }
}

const IDS = Array.from({ length: 20 }, (_, index) => `spiffe://mesh/client-${index}`)

test('every handshake is joined with the connection that it was started on', async (t) => {
  const ca = new TestCa()
  const { port, secured } = await listen(t, ca)
  const told = await Promise.all(IDS.map(async (id) => (await call(t, port, ca, id)).told))
  assert.deepEqual(told, IDS)
  for (const { accepted, peer } of secured) {
    assert.equal(
      Reflect.get(peer.socket, '_parent'),
      accepted,
      'Node has changed: 40 us more per handshake until downstream-tls.ts knows how',
    )
    assert.equal(peer.socket.remotePort, accepted.remotePort)
  }
})

test('so it is where Node does not say what a socket was made of', async (t) => {
  const ca = new TestCa()
  const { port, secured } = await listen(t, ca)
  assert.equal(Reflect.has(tls.TLSSocket.prototype, '_parent'), false)
  // node:net follows it up to null.
  const forget = function (this: object): void {
    Object.defineProperty(this, '_parent', { configurable: true, writable: true, value: null })
  }
  Object.defineProperty(tls.TLSSocket.prototype, '_parent', { configurable: true, get: () => null, set: forget })
  t.after(() => Reflect.deleteProperty(tls.TLSSocket.prototype, '_parent'))
  const told = await Promise.all(IDS.map(async (id) => (await call(t, port, ca, id)).told))
  assert.deepEqual(told, IDS)
  for (const { accepted, peer } of secured) assert.equal(peer.socket.remotePort, accepted.remotePort)
})

test('the suite of TLS 1.3 that is hashed with SHA-256 is preferred', async (t) => {
  const ca = new TestCa()
  const { port } = await listen(t, ca)
  const { cipher } = await call(t, port, ca, 'spiffe://mesh/client')
  assert.equal(cipher, 'TLS_AES_128_GCM_SHA256')
})

test('the curves that are configured are the only ones for the key exchange', async (t) => {
  const ca = new TestCa()
  const { port, secured } = await listen(t, ca, { curves: ['P-384'] })
  const [id = ''] = IDS
  assert.equal((await call(t, port, ca, id)).told, id)
  await assert.rejects(call(t, port, ca, id, { ecdhCurve: 'P-256:X25519' }), { code: 'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE' })
  assert.equal(secured.length, 1)
})

// Whoever takes it out of there frees it never: 6 KB for each handshake, by getPeerX509Certificate() or by a Node that asks that itself (24.21).
test('the issuers that a client sends with its certificate stay with the connection', async (t) => {
  const root = makeAuthority(t, 'root')
  const issuer = makeAuthority(t, 'issuer', root)
  const leaf = makeAuthority(t, 'client', issuer, {
    extensions: ['basicConstraints=critical,CA:FALSE', 'subjectAltName=URI:spiffe://mesh/client'],
  })
  const { port, secured } = await listen(t, new TestCa(), { rootsPem: root.certificatePem })
  const cert = leaf.certificatePem + issuer.certificatePem
  const socket = tls.connect({ port, host: '127.0.0.1', cert, key: leaf.keyPem, rejectUnauthorized: false })
  t.after(() => socket.destroy())
  const sent: unknown[] = []
  socket.on('data', (chunk: Buffer) => {
    sent.push(chunk.toString())
    sent.push(secured[0]?.peer.socket.getPeerCertificate(true).issuerCertificate?.subject?.CN)
  })
  await once(socket, 'end')
  assert.deepEqual(sent, ['spiffe://mesh/client', 'issuer'], `${process.version}: docs/decisions/which-node.md`)
})

/** What a client does instead of a handshake that comes through. */
const REFUSALS: readonly {
  readonly what: string
  readonly reason: string
  readonly act: (port: number, ca: TestCa) => net.Socket
}[] = [
  {
    what: 'a certificate that has expired',
    reason: 'TLS_error: CERT_HAS_EXPIRED',
    act: (port, ca) => handshake(port, ca.issue('spiffe://mesh/late', { notBeforeMs: Date.now() - 2000, notAfterMs: Date.now() - 1000 })),
  },
  {
    what: 'a certificate of another root',
    reason: 'TLS_error: UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    act: (port) => handshake(port, new TestCa('other').issue('spiffe://mesh/foreign')),
  },
  { what: 'no certificate', reason: 'TLS_error: peer did not return a certificate', act: (port) => handshake(port, undefined) },
  { what: 'no TLS', reason: 'TLS_error: http request', act: (port) => net.connect(port, '127.0.0.1').end('GET / HTTP/1.1\r\n\r\n') },
  { what: 'nothing', reason: 'the peer closed the connection during the handshake', act: (port) => net.connect(port, '127.0.0.1').end() },
  {
    what: 'half of a hello',
    reason: 'the peer closed the connection during the handshake',
    act: (port) => net.connect(port, '127.0.0.1').end(Buffer.from('16030100c8010000c40303', 'hex')),
  },
]

function handshake(port: number, own: { readonly chainPem: string; readonly keyPem: string } | undefined): net.Socket {
  const secrets = own === undefined ? {} : { cert: own.chainPem, key: own.keyPem }
  return tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...secrets })
}

for (const { what, reason, act } of REFUSALS) {
  test(`a client with ${what} is refused at once, and told as what it was: ${reason}`, async (t) => {
    const ca = new TestCa()
    const { port, secured, refused } = await listen(t, ca)
    const socket = act(port, ca)
    socket.on('error', () => undefined)
    t.after(() => socket.destroy())
    // Far below the time that a handshake may take.
    await waitFor(() => refused.length > 0, { what: 'the refusal', timeoutMs: 5000 })
    assert.deepEqual(refused, [reason])
    assert.deepEqual(secured, [])
  })
}
