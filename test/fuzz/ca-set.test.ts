// Files of a plugged-in CA and the record of trusted roots: whatever is in them, they are taken whole or refused with a file's name.
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { readCaSet } from '../../src/ca/ca-set.ts'
import { parseRecord } from '../../src/ca/trusted-roots.ts'
import { encodePem } from '../../src/identity/pem.ts'
import { issueRoot } from '../../src/identity/x509.ts'
import { fuzz, mutated } from './fuzz.ts'

const NOW_MS = Date.UTC(2026, 5, 1)
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const keyPem = String(privateKey.export({ type: 'pkcs8', format: 'pem' }))
const der = issueRoot(privateKey, 'cluster.local', Buffer.from([1]), { notBeforeMs: NOW_MS - 60_000, notAfterMs: NOW_MS + 3_600_000 })
const rootPem = encodePem('CERTIFICATE', der)
const good = new Map(Object.entries({ 'ca-cert.pem': rootPem, 'ca-key.pem': keyPem, 'root-cert.pem': rootPem, 'cert-chain.pem': rootPem }))

fuzz('a bent file of a CA is refused in its name, or the set is the one that it was', 1500, (noise) => {
  const bent = noise.pick([...good.keys()])
  const inside = bent === 'ca-key.pem' || noise.chance(0.5) ? undefined : Buffer.from(encodePem('CERTIFICATE', mutated(der, noise)))
  const files = new Map(
    [...good].map(([name, text]) => [name, name === bent ? (inside ?? mutated(Buffer.from(text), noise)) : Buffer.from(text)]),
  )
  const read = readCaSet(files, NOW_MS)
  if (read.ok) assert.ok(read.value.issuer.certificate.raw.equals(der))
  else assert.match(`${read.problems[0]?.path}: ${read.problems[0]?.message}`, /^(?:ca-cert|ca-key|root-cert|cert-chain)\.pem: \w+/)
})

fuzz('a bent record of trusted roots is ignored, or holds certificates', 1500, (noise) => {
  const record = JSON.stringify({ source: 'plugged-in', rootsPem: rootPem, retiring: [{ pem: rootPem, untilMs: NOW_MS }] })
  const parsed = parseRecord(mutated(Buffer.from(record), noise).toString('latin1'))
  if (parsed !== undefined) assert.match(parsed.rootsPem, /BEGIN CERTIFICATE/)
})
