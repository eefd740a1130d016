import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TestCa } from '../../../test/harness/certificates.ts'
import type { Gateway } from '../../api/generated/gateway.gen.ts'
import { readYaml } from '../../api/read-yaml.ts'
import { secretsIn } from '../../api/secret-object.ts'
import { compileRegex } from '../../base/regex.ts'
import { CredentialBook } from '../ingest/credential-book.ts'
import { type FindCredential, gatewayCredentialFindings } from './gateway-credentials.ts'

const GATEWAY = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: mesh}
spec:
  selector: {istio: ingress}
  servers:
    - {port: {number: 1, name: a, protocol: HTTPS}, hosts: ["a.example.com"], tls: {mode: SIMPLE, credentialName: www}}
    - {port: {number: 2, name: b, protocol: HTTPS}, hosts: ["b.example.com"], tls: {mode: MUTUAL, credentialName: www}}
    - {port: {number: 3, name: c, protocol: HTTPS}, hosts: ["c.example.com"], tls: {mode: MUTUAL, credentialName: www, caCertCredentialName: clients}}
    - {port: {number: 4, name: d, protocol: TLS}, hosts: ["d.example.com"], tls: {mode: PASSTHROUGH}}
`
const SERVING = [
  { namespace: 'ingress', serviceAccount: 'edge', labels: { istio: 'ingress' } },
  { namespace: 'ingress', serviceAccount: 'edge2', labels: { istio: 'ingress' } },
  { namespace: 'elsewhere', serviceAccount: 'edge', labels: { istio: 'other' } },
]

function findings({ credentialOf }: { readonly credentialOf: FindCredential }): readonly string[] {
  const { objects } = readYaml(GATEWAY, 'gateway.yaml', { defaultNamespace: 'default', compileRegex })
  const gateways = objects.filter((object): object is Gateway => object.kind === 'Gateway')
  assert.equal(gateways.length, 1)
  return gatewayCredentialFindings(gateways, SERVING, credentialOf).map(({ code, path, message }) => `${code} ${path} ${message}`)
}

test('a secret that is missing, of another namespace or malformed is named on the Gateway, once per use', () => {
  const ca = new TestCa()
  const { chainPem, keyPem } = ca.issue({ dns: 'www' })
  const book = new CredentialBook()
  book.set('mesh/www', { 'tls.crt': chainPem, 'tls.key': keyPem })
  assert.deepEqual(
    findings(book).map((line) => line.replace(/'ingress' have.*secret/, '... secret')),
    [
      "LTN0235 spec.servers[0].tls.credentialName gateways in the namespace ... secret 'www' does not exist",
      "LTN0235 spec.servers[1].tls.credentialName gateways in the namespace ... secret 'www' does not exist",
      "LTN0235 spec.servers[1].tls.credentialName gateways in the namespace ... secret 'www-cacert' does not exist, and there are no authorities (ca.crt) beside the certificate",
      "LTN0235 spec.servers[2].tls.credentialName gateways in the namespace ... secret 'www' does not exist",
      "LTN0235 spec.servers[2].tls.caCertCredentialName gateways in the namespace ... secret 'clients' does not exist",
    ],
  )

  book.set('ingress/www', { 'tls.crt': chainPem, 'tls.key': ca.issue({ dns: 'www' }).keyPem, 'ca.crt': ca.rootPem })
  book.set('ingress/clients', { 'ca.crt': 'nonsense' })
  const broken = findings(book)
  assert.equal(broken.length, 4)
  assert.match(broken[0] ?? '', /the key in tls\.key does not belong to the certificate in tls\.crt/)
  assert.match(broken[3] ?? '', /'clients' ca\.crt has no certificate in PEM/)

  book.replace(
    new Map([
      ['ingress/www', { cert: chainPem, key: keyPem, cacert: ca.rootPem }],
      ['ingress/clients', { 'ca.crt': `# who signs clients\n${ca.rootPem}` }],
    ]),
  )
  assert.deepEqual(findings(book), [])
})

test('who watches is told of the namespaces whose credentials are different, and an equal one stays the same object', () => {
  const ca = new TestCa()
  const { chainPem, keyPem } = ca.issue({ dns: 'www' })
  const book = new CredentialBook()
  const told: string[][] = []
  book.watch((namespaces) => told.push([...namespaces]))
  book.replace(new Map([['a/www', { 'tls.crt': chainPem, 'tls.key': keyPem }]]))
  const first = book.credentialOf('a', 'www')
  assert.ok(first?.pair !== undefined)
  book.replace(new Map([['a/www', { 'tls.key': keyPem, 'tls.crt': chainPem }]]))
  assert.equal(book.credentialOf('a', 'www'), first)
  book.replace(new Map())
  assert.equal(book.credentialOf('a', 'www'), undefined)
  assert.deepEqual(told, [['a'], ['a']])
  assert.equal(JSON.stringify(first).includes(keyPem.slice(40, 80)), false)
})

test('Secrets of a file are found in every form, and are no objects of the mesh', () => {
  const text = `
apiVersion: v1
kind: Secret
metadata: {name: one, namespace: a}
data: {tls.crt: ${Buffer.from('CERT').toString('base64')}}
stringData: {tls.key: KEY}
---
apiVersion: v1
kind: List
items:
  - {apiVersion: v1, kind: Secret, metadata: {name: two}, stringData: {cacert: CA}}
`
  assert.deepEqual(
    [...(secretsIn(text, 'default') ?? [])],
    [
      ['a/one', { 'tls.crt': 'CERT', 'tls.key': 'KEY' }],
      ['default/two', { cacert: 'CA' }],
    ],
  )
  const options = { defaultNamespace: 'default', compileRegex }
  const read = readYaml(text, 'secrets.yaml', options)
  assert.deepEqual(read, { objects: [], findings: [], broken: false })
  assert.equal(readYaml(text, 'secrets.yaml', { ...options, refusesSecrets: true }).broken, true)
  assert.equal(secretsIn('kind: Secret\nmetadata: {', 'default'), undefined)
})

test('a secret that the gateway may not read is named with the reason, for the account that may not; of what is not known yet nothing is said', () => {
  const credentialOf: FindCredential = (_namespace, name, account) =>
    name === 'www' && account === 'edge' ? { refused: `may not be read by '${account}'` } : 'pending'
  const said = findings({ credentialOf })
  assert.equal(said.length, 3)
  assert.equal(
    said[0],
    "LTN0235 spec.servers[0].tls.credentialName gateways in the namespace 'ingress' have nothing to use for it: the secret 'www' may not be read by 'edge'",
  )
})
