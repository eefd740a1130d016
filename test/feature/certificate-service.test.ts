// Who gets a certificate, who gets configuration, and with which sentence everybody else is sent away. Real TLS throughout.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { status } from '@grpc/grpc-js'
import { FakeClock } from '../../src/base/fake-clock.ts'
import { createIssuer } from '../../src/ca/issuer.ts'
import { openRoot } from '../../src/ca/roots.ts'
import { CLUSTER_TYPE } from '../../src/envoy/type-urls.ts'
import { readCertificate } from '../../src/identity/certificate.ts'
import { type ClientIdentity, csrFor, type Refused, requestCertificate } from './support/ads-client.ts'
import { CART_NODE, SHOP, startTestMesh, type TestMesh } from './support/mesh.ts'

const CART = 'spiffe://cluster.local/ns/default/sa/cart'
const PRICE = 'spiffe://cluster.local/ns/default/sa/price'
const HOUR_MS = 3_600_000

const ask = (mesh: TestMesh, id: string, how: Parameters<typeof requestCertificate>[3]): Promise<ClientIdentity | Refused> =>
  requestCertificate(mesh.controlPlane.port, mesh.controlPlane.rootPem, id, how)

function refusal(answer: ClientIdentity | Refused): Refused {
  assert.ok('code' in answer, 'a certificate was issued')
  return answer
}

/** A certificate of another mesh with the same name. */
function foreignIdentity(mesh: TestMesh, id: string, clock = new FakeClock(Date.now())): ClientIdentity {
  const root = openRoot({ stateFolder: join(mesh.state, 'foreign'), trustDomain: 'cluster.local', clock })
  const { chain, keyPem } = createIssuer({ ca: () => root, clock }).issueWithKey([{ uri: id }])
  return { keyPem, chainPem: chain.join('') }
}

test('a join token gives a certificate of 24 hours for its identity, that openssl verifies', async (t) => {
  const mesh = await startTestMesh(t, SHOP)
  const { chainPem } = await mesh.join('cart')
  const [leaf = '', root = ''] = chainPem.split(/(?<=-----END CERTIFICATE-----\n)/)
  const facts = readCertificate(leaf)
  assert.ok(facts.ok)
  assert.deepEqual(facts.value.uris, [CART])
  const hours = (facts.value.notAfterMs - facts.value.notBeforeMs) / HOUR_MS
  assert.ok(hours > 24 && hours < 24.1, String(hours))
  for (const [name, pem] of [
    ['leaf.pem', leaf],
    ['root.pem', root],
  ] as const)
    writeFileSync(join(mesh.state, name), pem)
  const verified = execFileSync('openssl', ['verify', '-x509_strict', '-purpose', 'sslclient', '-CAfile', 'root.pem', 'leaf.pem'], {
    cwd: mesh.state,
    encoding: 'utf8',
  })
  assert.match(verified, /OK/)
})

test('a join token is good once, also across a restart of the control plane', async (t) => {
  const mesh = await startTestMesh(t, SHOP)
  const [used, unused] = [await mesh.token('cart'), await mesh.token('cart')]
  assert.ok('keyPem' in (await ask(mesh, CART, { token: used })))
  const again = refusal(await ask(mesh, CART, { token: used }))
  assert.equal(again.code, status.UNAUTHENTICATED)
  assert.match(again.details, /was used already at 20.*ask for a new one/)
  await mesh.restart()
  assert.match(refusal(await ask(mesh, CART, { token: used })).details, /was used already/)
  assert.ok('keyPem' in (await ask(mesh, CART, { token: unused })))
})

test('of two that use one token at the same time one gets a certificate', async (t) => {
  const mesh = await startTestMesh(t, SHOP)
  const token = await mesh.token('cart')
  const answers = await Promise.all([1, 2, 3, 4].map(() => ask(mesh, CART, { token })))
  assert.equal(answers.filter((answer) => 'keyPem' in answer).length, 1)
})

test('a request for another identity is refused by name, and leaves the token unused', async (t) => {
  const mesh = await startTestMesh(t, SHOP)
  const token = await mesh.token('cart')
  const { code, details } = refusal(await ask(mesh, PRICE, { token }))
  assert.equal(code, status.PERMISSION_DENIED)
  assert.match(details, /asks for .*sa\/price, but the join token is for .*sa\/cart/)
  assert.ok('keyPem' in (await ask(mesh, CART, { token })))
  assert.ok(
    mesh.log.some((line) => line.includes('certificate refused') && line.includes('identity-mismatch')),
    'the audit log has it',
  )
  assert.ok(mesh.log.some((line) => line.includes('certificate issued') && line.includes('serial=')))
})

test('a workload renews with its certificate, for itself only', async (t) => {
  const mesh = await startTestMesh(t, SHOP)
  const identity = await mesh.join('cart')
  assert.ok('keyPem' in (await ask(mesh, CART, { identity })))
  assert.equal(refusal(await ask(mesh, PRICE, { identity })).code, status.PERMISSION_DENIED)
})

test('without credentials, with a wrong token, or with a certificate of another mesh there is no certificate', async (t) => {
  const mesh = await startTestMesh(t, SHOP)
  for (const [how, why] of [
    [{}, /no credentials: present a client certificate of this mesh, or a join token/],
    [{ token: 'lateen-join-guess' }, /not known here/],
    [{ token: 'two words' }, /not of the form/],
    [{ identity: foreignIdentity(mesh, CART) }, /no credentials/],
  ] as const) {
    const { code, details } = refusal(await ask(mesh, CART, how))
    assert.equal(code, status.UNAUTHENTICATED, details)
    assert.match(details, why)
  }
})

test('a request that is no CSR is refused as malformed, and leaves the token unused', async (t) => {
  const mesh = await startTestMesh(t, SHOP)
  const token = await mesh.token('cart')
  const { code, details } = refusal(await ask(mesh, CART, { token, csr: 'hello' }))
  assert.equal(code, status.INVALID_ARGUMENT)
  assert.match(details, /PEM/)
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  assert.ok('keyPem' in (await ask(mesh, CART, { token, csr: csrFor(CART, privateKey) })))
})

test('configuration is for holders of a certificate only, and only for the workload that it is for', async (t) => {
  const mesh = await startTestMesh(t, SHOP)
  const [cart, price, elsewhere] = [await mesh.join('cart'), await mesh.join('price'), await mesh.join('cart', 'other')]
  const cases = [
    [undefined, CART_NODE, {}, status.UNAUTHENTICATED, /served to holders of a certificate of this mesh only/],
    [foreignIdentity(mesh, CART), CART_NODE, {}, status.UNAUTHENTICATED, /certificate of this mesh only/],
    [elsewhere, CART_NODE, {}, status.PERMISSION_DENIED, /node id says namespace 'default', but the certificate is for .*ns\/other/],
    [price, CART_NODE, { SERVICE_ACCOUNT: 'cart' }, status.PERMISSION_DENIED, /metadata says service account 'cart'/],
    [price, CART_NODE, {}, status.PERMISSION_DENIED, /default\/cart-v1 runs as service account 'cart'/],
    [cart, 'cart-v1', {}, status.INVALID_ARGUMENT, /'cart-v1' is not/],
  ] as const
  for (const [identity, nodeId, metadata, code, why] of cases) {
    const client = mesh.client(identity, nodeId, metadata)
    client.subscribe(CLUSTER_TYPE)
    const ended = await client.untilEnded()
    assert.match(ended.details, why)
    assert.equal(ended.code, code)
  }
})
