// Certificates and trust bundles from files and from peers: no bytes throw, and none but the issued ones are believed.
import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { readCertificate, spiffeIdOf } from '../../src/identity/certificate.ts'
import { verifyPeer } from '../../src/identity/peer.ts'
import { encodePem } from '../../src/identity/pem.ts'
import { parseSpiffeId } from '../../src/identity/spiffe-id.ts'
import { parseTrustBundle } from '../../src/identity/trust-bundle.ts'
import { ECDSA_SHA256, issueLeaf, issueRoot, keyIdOf } from '../../src/identity/x509.ts'
import { fuzz, mutated } from './fuzz.ts'

const NOW_MS = Date.UTC(2026, 5, 1)
const ID = 'spiffe://cluster.local/ns/default/sa/reviews'
const validity = { notBeforeMs: NOW_MS - 60_000, notAfterMs: NOW_MS + 3_600_000 }
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const publicKeyDer = createPublicKey(privateKey).export({ type: 'spki', format: 'der' })
const root = issueRoot(privateKey, 'cluster.local', Buffer.from([1]), validity)
const rootPem = encodePem('CERTIFICATE', root)
const bundle = parseTrustBundle(rootPem)
const rootFacts = readCertificate(root)
assert.ok(bundle.ok && rootFacts.ok)
const trust = { trustDomain: 'cluster.local', bundle: bundle.value }
const signer = { privateKey, algorithm: ECDSA_SHA256, nameDer: rootFacts.value.subjectDer, keyId: keyIdOf(publicKeyDer) }
const leaf = issueLeaf(signer, { publicKeyDer, names: [{ uri: ID }], serial: Buffer.alloc(16, 1), ...validity })

fuzz('a bent certificate is refused with a reason, or has the name that was signed', 3000, (noise) => {
  const peer = verifyPeer(mutated(leaf, noise), trust, NOW_MS)
  if (peer.ok) assert.equal(peer.value, ID)
  else assert.notEqual(peer.problems[0]?.message ?? '', '')
})

fuzz('reading the facts of bent bytes does not throw', 2000, (noise) => {
  const facts = readCertificate(mutated(noise.chance(0.5) ? leaf : root, noise))
  if (facts.ok) spiffeIdOf(facts.value)
})

fuzz('a bent trust bundle is refused with a reason, or trusts certificates that it has', 1500, (noise) => {
  const parsed = parseTrustBundle(mutated(Buffer.from(`${rootPem}${rootPem}`, 'latin1'), noise).toString('latin1'))
  if (parsed.ok) assert.ok(parsed.value.roots.length > 0)
  else assert.notEqual(parsed.problems[0]?.message ?? '', '')
})

fuzz('a bent SPIFFE id is refused, or is one that means what it says', 5000, (noise) => {
  const text = mutated(Buffer.from(ID), noise).toString('utf8')
  const parsed = parseSpiffeId(text)
  if (parsed.ok) assert.match(parsed.value, /^spiffe:\/\/[a-z0-9._-]+(?:\/[\w.-]+)*$/)
})
