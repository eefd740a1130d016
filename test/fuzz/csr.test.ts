// Certificate requests from the network: refused with a reason, or exactly what was signed.
import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { buildCsr, parseCsr } from '../../src/identity/csr.ts'
import { decodePem, encodePem } from '../../src/identity/pem.ts'
import { parseSpiffeId } from '../../src/identity/spiffe-id.ts'
import { fuzz, mutated, type Noise } from './fuzz.ts'

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const id = parseSpiffeId('spiffe://cluster.local/ns/default/sa/reviews')
assert.ok(id.ok)
const { value: requested } = id
const good = buildCsr(requested, privateKey)
const decoded = decodePem(good, 'CERTIFICATE REQUEST')
assert.ok(decoded.ok)
const [der = Buffer.alloc(0)] = decoded.value
const publicKeyDer = createPublicKey(privateKey).export({ type: 'spki', format: 'der' })

function check(pem: string): void {
  const parsed = parseCsr(pem)
  if (!parsed.ok) {
    assert.notEqual(parsed.problems[0]?.message ?? '', '')
    return
  }
  // A change that the signature survives has changed nothing that is used.
  assert.equal(parsed.value.requested, requested)
  assert.deepEqual(parsed.value.publicKeyDer, publicKeyDer)
}

fuzz('a bent request is refused with a reason, or is the request that was signed', 3000, (noise: Noise) => {
  check(encodePem('CERTIFICATE REQUEST', mutated(der, noise)))
})

fuzz('a bent text is refused with a reason, or is the request that was signed', 2000, (noise: Noise) => {
  check(mutated(Buffer.from(good, 'latin1'), noise).toString('latin1'))
})
