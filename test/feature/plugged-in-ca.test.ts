// A CA of the user's own behind a whole control plane, exchanged while it runs: real files, real TLS, real certificates.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { connect, createServer } from 'node:tls'
import { CLUSTER_TYPE } from '../../src/envoy/type-urls.ts'
import { readCertificate } from '../../src/identity/certificate.ts'
import { cacerts, makeAuthority, temporaryFolder, writeSet } from '../harness/authorities.ts'
import { type ClientIdentity, requestCertificate } from './support/ads-client.ts'
import { CART_NODE, SHOP, startTestMesh, type TestMesh } from './support/mesh.ts'

const CART = 'spiffe://cluster.local/ns/default/sa/cart'
const MESH_CONFIG = (aliases: string): string => `
apiVersion: lateen.dev/v1alpha1
kind: MeshConfig
metadata: { name: mesh, namespace: istio-system }
spec: { trustDomainAliases: [${aliases}] }
`

function blocks(pem: string): readonly string[] {
  return pem.match(/-----BEGIN[^-]+-----[^-]+-----END[^-]+-----\n/g) ?? []
}

function issuerOf(pem: string): string {
  const facts = readCertificate(pem)
  assert.ok(facts.ok)
  return facts.value.certificate.issuer.replaceAll('\n', ' ')
}

/** Looks again until it is so: what is waited for happens in the control plane's own time. */
async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 400; tries++) {
    if (await holds()) return
    await pause(25)
  }
  assert.fail(`never: ${what}`)
}

async function renew(mesh: TestMesh, identity: ClientIdentity, id = CART): Promise<ClientIdentity> {
  const renewed = await requestCertificate(mesh.controlPlane.port, mesh.controlPlane.rootPem, id, { identity })
  assert.ok('keyPem' in renewed, JSON.stringify(renewed))
  return renewed
}

/** Leaf and intermediates, as a proxy presents them. */
function withoutRoots(identity: ClientIdentity, roots: number): ClientIdentity {
  return { ...identity, chainPem: blocks(identity.chainPem).slice(0, -roots).join('') }
}

/** Whether two workloads that trust these roots shake hands. */
async function shakeHands(t: TestContext, server: ClientIdentity, client: ClientIdentity, roots: string): Promise<boolean> {
  const listening = createServer(
    { key: server.keyPem, cert: server.chainPem, ca: roots, requestCert: true },
    (socket) => void socket.end('welcome'),
  )
  listening.on('tlsClientError', () => undefined)
  t.after(() => listening.close())
  const port = await new Promise<number>((resolve) =>
    listening.listen(0, '127.0.0.1', () => {
      const address = listening.address()
      resolve(typeof address === 'object' && address !== null ? address.port : 0)
    }),
  )
  return new Promise((resolve) => {
    const socket = connect({
      port,
      host: '127.0.0.1',
      key: client.keyPem,
      cert: client.chainPem,
      ca: roots,
      checkServerIdentity: () => undefined,
    })
    socket.on('data', (text) => resolve(String(text) === 'welcome'))
    socket.on('error', () => resolve(false))
  })
}

test('a CA of the user issues leaf and chain, and its own workloads get configuration with them', async (t) => {
  const root = makeAuthority(t, 'root')
  const folder = temporaryFolder(t)
  writeSet(folder, cacerts(makeAuthority(t, 'issuer', root), [root], [root]))
  const mesh = await startTestMesh(t, SHOP, 1, { cacerts: folder })
  const identity = await mesh.join('cart')
  const [leaf = '', issuer = '', last] = blocks(identity.chainPem)
  assert.deepEqual([issuerOf(leaf), issuerOf(issuer), last], ['O=Example CN=issuer', 'O=Example CN=root', root.certificatePem])
  const client = mesh.client(withoutRoots(identity, 1), CART_NODE)
  client.subscribe(CLUSTER_TYPE)
  await until('clusters', () => client.ended !== undefined || client.responsesOf('CDS').length > 0)
  assert.equal(client.ended, undefined)
  assert.ok('keyPem' in (await renew(mesh, withoutRoots(identity, 1))))
})

test('a CA that is exchanged cuts no stream; the new root is everywhere before it issues; old and new workloads shake hands', async (t) => {
  const folder = temporaryFolder(t)
  const [a, b] = [makeAuthority(t, 'a'), makeAuthority(t, 'b')]
  writeSet(folder, cacerts(makeAuthority(t, 'issuer-a', a), [], [a]))
  const mesh = await startTestMesh(t, SHOP, 1, { cacerts: folder, rootSpreadMs: 1500 })
  const rootsFile = (): readonly string[] => blocks(readFileSync(join(mesh.state, 'root.pem'), 'utf8'))
  const old = withoutRoots(await mesh.join('cart'), 1)
  const client = mesh.client(old, CART_NODE)
  client.subscribe(CLUSTER_TYPE)
  await until('clusters', () => client.ended !== undefined || client.responsesOf('CDS').length > 0)
  assert.equal(client.ended, undefined)

  writeSet(folder, cacerts(makeAuthority(t, 'issuer-b', b), [], [b]))
  await until('both roots in the file', () => rootsFile().length === 2)
  const between = await renew(mesh, old)
  assert.equal(issuerOf(blocks(between.chainPem)[0] ?? ''), 'O=Example CN=issuer-a', 'nothing of the new root before it has spread')
  assert.equal(blocks(between.chainPem).length, 4, 'a renewal hands out both roots')

  let renewed = between
  await until('certificates of the new CA', async () => {
    renewed = await renew(mesh, old)
    return issuerOf(blocks(renewed.chainPem)[0] ?? '') === 'O=Example CN=issuer-b'
  })
  assert.equal(client.ended, undefined, 'the stream goes on')
  const young = withoutRoots(renewed, 2)
  const trusted = rootsFile().join('')
  assert.ok(await shakeHands(t, old, young, trusted))
  assert.ok(await shakeHands(t, young, old, trusted))
  assert.equal(await shakeHands(t, young, old, a.certificatePem), false, 'without the new root it would have failed')
  assert.ok('keyPem' in (await renew(mesh, young)))
})

test('a bad exchange is a Finding, and the last good CA goes on', async (t) => {
  const folder = temporaryFolder(t)
  const root = makeAuthority(t, 'root')
  writeSet(folder, cacerts(root, [], [root]))
  const mesh = await startTestMesh(t, SHOP, 1, { cacerts: folder })
  writeSet(folder, { 'ca-key.pem': makeAuthority(t, 'other').keyPem })
  const codes = async (): Promise<string> => JSON.stringify((await mesh.ask('GET', '/v1/findings')).body)
  await until('the Finding', async () => (await codes()).includes('LTN0401'))
  assert.match(await codes(), /ca-cert.pem does not belong to the key in ca-key.pem/)
  assert.ok('keyPem' in (await mesh.join('cart')))
  assert.match(await metricsOf(mesh), /^lateen_ca_files_refused 1$/m)
  assert.match(await metricsOf(mesh), /^citadel_server_cert_chain_expiry_timestamp \d{10}$/m)
})

test('a workload with a certificate of a former trust domain is served, renews it, or takes the same identity under the present name', async (t) => {
  const folder = temporaryFolder(t)
  const root = makeAuthority(t, 'root')
  writeSet(folder, cacerts(root, [], [root]))
  const mesh = await startTestMesh(t, { ...SHOP, 'mesh.yaml': MESH_CONFIG('old.example') }, 1, { cacerts: folder })
  const former = CART.replace('cluster.local', 'old.example')
  const san = [`subjectAltName=critical,URI:${former}`, 'basicConstraints=critical,CA:FALSE']
  const leaf = makeAuthority(t, 'leaf', root, { extensions: san, days: 1 })
  const old: ClientIdentity = { keyPem: leaf.keyPem, chainPem: leaf.certificatePem }
  const client = mesh.client(old, CART_NODE)
  client.subscribe(CLUSTER_TYPE)
  await until('clusters', () => client.ended !== undefined || client.responsesOf('CDS').length > 0)
  assert.equal(client.ended, undefined)
  for (const id of [former, CART]) {
    const facts = readCertificate(blocks((await renew(mesh, old, id)).chainPem)[0] ?? '')
    assert.deepEqual(facts.ok && facts.value.uris, [id])
  }
  const young = withoutRoots(await renew(mesh, old), 1)
  const back = await requestCertificate(mesh.controlPlane.port, mesh.controlPlane.rootPem, former, { identity: young })
  assert.ok('code' in back && back.code === 7, 'there is no way back to the former name')

  mesh.write('mesh.yaml', MESH_CONFIG(''))
  await until('the alias is gone', async () => {
    const answer = await requestCertificate(mesh.controlPlane.port, mesh.controlPlane.rootPem, CART, { identity: old })
    return 'code' in answer && /trust domain 'old.example', this mesh is 'cluster.local'/.test(answer.details)
  })
})

function metricsOf(mesh: TestMesh): Promise<string> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port: mesh.controlPlane.monitoringPort, path: '/metrics', agent: false }, (response) => {
      let text = ''
      response.on('data', (chunk) => {
        text += String(chunk)
      })
      response.on('end', () => resolve(text))
    })
    outgoing.on('error', reject)
    outgoing.end()
  })
}
