import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TestCa } from '../../../test/harness/certificates.ts'
import { fullCodec } from '../../envoy/full-codec.ts'
import { CLUSTER_TYPE, SECRET_TYPE } from '../../envoy/type-urls.ts'
import { type Credential, readCredential } from '../../identity/credential.ts'
import { NO_RESOURCES, type ServedResources } from '../generate/resources.ts'
import { createSecrets } from './secrets.ts'

const ca = new TestCa()
const { chainPem, keyPem } = ca.issue({ dns: 'www' })
const full = readCredential({ 'tls.crt': chainPem, 'tls.key': keyPem, 'ca.crt': ca.rootPem })
const empty = { version: 'declared', bytes: new Uint8Array() }

function declaring(...names: readonly string[]): ServedResources {
  return new Map([
    [CLUSTER_TYPE, { shared: NO_RESOURCES, own: NO_RESOURCES }],
    [SECRET_TYPE, { shared: NO_RESOURCES, own: new Map(names.map((name) => [name, empty])) }],
  ])
}

function namesIn(served: ServedResources | undefined): readonly string[] {
  return [...(served?.get(SECRET_TYPE)?.own.keys() ?? [])]
}

const GATEWAY = { type: 'router', namespace: 'edge', serviceAccount: 'gateway' } as const

test('a gateway is given what its configuration names, from its own namespace; nobody else is given anything', () => {
  const asked: string[] = []
  const add = createSecrets((namespace, name) => {
    asked.push(`${namespace}/${name}`)
    return namespace === 'edge' && name === 'www' ? full : undefined
  })
  const served = declaring('kubernetes://www', 'kubernetes://www-cacert', 'kubernetes://other', 'default')
  assert.deepEqual(namesIn(add(served, GATEWAY)), ['kubernetes://www', 'kubernetes://www-cacert'])
  assert.deepEqual(namesIn(add(served, { ...GATEWAY, namespace: 'default' })), [])
  asked.length = 0
  assert.deepEqual(namesIn(add(served, { ...GATEWAY, type: 'sidecar' })), [])
  assert.deepEqual(asked, [])
  assert.deepEqual(namesIn(add(declaring(), GATEWAY)), [])
})

test('the pair and the authorities are told apart, and authorities that were meant are not taken from elsewhere', () => {
  const only = readCredential({ 'tls.crt': chainPem, 'tls.key': keyPem })
  const broken = readCredential({ 'ca.crt': 'nonsense' })
  const known: Record<string, Credential> = { www: full, bare: only, 'www2-cacert': broken, www2: full, named: full }
  const add = createSecrets((_namespace, name) => known[name])
  const names = [
    'kubernetes://www',
    'kubernetes://www-cacert',
    'kubernetes://bare-cacert',
    'kubernetes://www2-cacert',
    'kubernetes-ca://named',
  ]
  const own = add(declaring(...names), GATEWAY)?.get(SECRET_TYPE)?.own
  assert.deepEqual([...(own?.keys() ?? [])], ['kubernetes://www', 'kubernetes://www-cacert', 'kubernetes-ca://named'])
  const read = (name: string) => {
    const decoded = fullCodec.decode('envoy.extensions.transport_sockets.tls.v3.Secret', own?.get(name)?.bytes ?? new Uint8Array())
    assert.ok(decoded.ok)
    return decoded.value
  }
  assert.equal(read('kubernetes://www').tlsCertificate?.privateKey?.inlineString, keyPem)
  assert.equal(read('kubernetes://www').validationContext, undefined)
  assert.deepEqual(read('kubernetes://www-cacert'), {
    name: 'kubernetes://www-cacert',
    validationContext: { trustedCa: { inlineString: ca.rootPem } },
  })
  assert.equal(read('kubernetes-ca://named').tlsCertificate, undefined)
})

test('while no credential has changed the answer is the same object; a renewed one has another version', () => {
  let now = full
  const add = createSecrets(() => now)
  const served = declaring('kubernetes://www')
  const first = add(served, GATEWAY)
  assert.equal(add(served, GATEWAY), first)
  const renewed = ca.issue({ dns: 'www' })
  now = readCredential({ 'tls.crt': renewed.chainPem, 'tls.key': renewed.keyPem })
  const second = add(served, GATEWAY)
  assert.ok(first !== undefined && second !== undefined)
  assert.notEqual(second, first)
  assert.equal(second.get(CLUSTER_TYPE), first.get(CLUSTER_TYPE))
  assert.notEqual(
    second.get(SECRET_TYPE)?.own.get('kubernetes://www')?.version,
    first.get(SECRET_TYPE)?.own.get('kubernetes://www')?.version,
  )
})

test('what may not be read does not exist for who asks; the account is the one that asks', () => {
  const asked: string[] = []
  const add = createSecrets((_namespace, name, serviceAccount) => {
    asked.push(`${serviceAccount} ${name}`)
    return name === 'www' ? full : { refused: 'may not be read' }
  })
  assert.deepEqual(namesIn(add(declaring('kubernetes://www', 'kubernetes://secret'), GATEWAY)), ['kubernetes://www'])
  assert.deepEqual(asked, ['gateway www', 'gateway secret'])
})

test('while it is not known whether a secret is there, nothing is said of it, and all others are asked for meanwhile', () => {
  const asked: string[] = []
  let known = false
  const add = createSecrets((_namespace, name) => {
    asked.push(name)
    return known ? full : 'pending'
  })
  const served = declaring('kubernetes://www', 'kubernetes://other')
  assert.equal(add(served, GATEWAY), undefined)
  assert.deepEqual(asked, ['www', 'other'])
  known = true
  assert.deepEqual(namesIn(add(served, GATEWAY)), ['kubernetes://www', 'kubernetes://other'])
})
