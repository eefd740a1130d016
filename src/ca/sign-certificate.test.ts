// The audit log, line by line, and the limit: what is said of a request, whatever becomes of it.
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { temporaryFolder } from '../../test/harness/authorities.ts'
import { FakeClock } from '../base/fake-clock.ts'
import { createLogger } from '../base/log.ts'
import { buildCsr } from '../identity/csr.ts'
import { parseSpiffeId, type SpiffeId } from '../identity/spiffe-id.ts'
import { createCaMetrics } from './ca-metrics.ts'
import { createIssuer } from './issuer.ts'
import { openJoinTokens } from './join-tokens.ts'
import { createRateLimit } from './rate-limit.ts'
import { openRoot } from './roots.ts'
import { type CertificateAuthority, signCertificate } from './sign-certificate.ts'
import type { TokenAnswer } from './token-review.ts'

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })

function id(account: string): SpiffeId {
  const parsed = parseSpiffeId(`spiffe://cluster.local/ns/default/sa/${account}`)
  assert.ok(parsed.ok)
  return parsed.value
}

function authority(
  t: TestContext,
  write?: () => Promise<void>,
): CertificateAuthority & { readonly lines: readonly Record<string, unknown>[] } {
  const stateFolder = temporaryFolder(t)
  const clock = new FakeClock()
  const lines: Record<string, unknown>[] = []
  const log = createLogger({
    level: 'info',
    format: 'json',
    write: (line) => void lines.push(JSON.parse(line)),
    nowMs: () => clock.nowMs(),
  })
  const root = openRoot({ stateFolder, trustDomain: 'cluster.local', clock })
  return {
    ...{ clock, log, lines, metrics: createCaMetrics(), trust: () => ({ trustDomain: 'cluster.local', bundle: root.bundle }) },
    issuer: createIssuer({ ca: () => root, clock }),
    tokens: openJoinTokens(join(stateFolder, 'tokens.json'), clock, write === undefined ? {} : { write }),
    rateLimit: createRateLimit({ clock, perSecond: 1, burst: 2 }),
  }
}

const request = (token: string, csrPem: string | undefined) => ({
  ...{ csrPem, validitySeconds: 0, from: '127.0.0.1:4711', peerCertificate: undefined, authorization: `Bearer ${token}` },
})

async function tokenOf(ca: CertificateAuthority): Promise<string> {
  const token = await ca.tokens?.mint(id('cart'), 60_000)
  assert.ok(token?.ok)
  return token.value
}

test('an issue says who, by what, the serial, until when, and from where; the answer ends with the roots', async (t) => {
  const ca = authority(t)
  const outcome = await signCertificate(ca, request(await tokenOf(ca), buildCsr(id('cart'), privateKey)))
  assert.ok(outcome.issued && outcome.chain.length === 2)
  const [line, ...more] = ca.lines
  assert.equal(more.length, 0)
  const { identity, by, caller, serial, notAfter, from } = line ?? {}
  assert.deepEqual(
    { identity, by, caller, notAfter, from },
    { identity: id('cart'), by: 'join token', caller: id('cart'), notAfter: '2026-01-02T00:00:00.000Z', from: '127.0.0.1:4711' },
  )
  assert.match(String(serial), /^[0-9a-f]{32}$/)
})

test('a pod that joins by its ServiceAccount token is named in the audit line, whatever becomes of it', async (t) => {
  const pod = { name: 'cart-7', uid: 'u-7' }
  const answers: TokenAnswer[] = [
    { kind: 'known', account: { namespace: 'default', serviceAccount: 'cart', pod } },
    { kind: 'known', account: { namespace: 'default', serviceAccount: 'cart', pod } },
    { kind: 'unavailable', reason: 'later' },
  ]
  const review = (): Promise<TokenAnswer> => Promise.resolve(answers.shift() ?? { kind: 'refused', reason: 'no' })
  const ca = { ...authority(t), reviews: { review } }
  assert.ok((await signCertificate(ca, request('a.b.c', buildCsr(id('cart'), privateKey)))).issued)
  await signCertificate(ca, request('a.b.c', buildCsr(id('price'), privateKey)))
  await signCertificate(ca, request('a.b.c', buildCsr(id('cart'), privateKey)))
  await signCertificate(ca, request('a.b.c', buildCsr(id('cart'), privateKey)))
  const [by, identity] = ['service account token', id('cart')]
  const said = ca.lines.map((line) => ({ by: line.by, pod: line.pod, identity: line.identity, kind: line.kind }))
  assert.deepEqual(said, [
    { by, pod: 'default/cart-7', identity, kind: undefined },
    { by, pod: 'default/cart-7', identity, kind: 'identity-mismatch' },
    { by: undefined, pod: undefined, identity: undefined, kind: 'unavailable' },
    { by: undefined, pod: undefined, identity: undefined, kind: 'unauthenticated' },
  ])
})

test('every refusal leaves one line with its kind, its reason and what was known by then', async (t) => {
  const ca = authority(t)
  const token = await tokenOf(ca)
  await signCertificate(ca, request('guess', buildCsr(id('cart'), privateKey)))
  await signCertificate(ca, request(token, undefined))
  await signCertificate(ca, request(token, buildCsr(id('price'), privateKey)))
  await signCertificate(ca, request(token, buildCsr(id('cart'), privateKey)))
  const said = ca.lines.map(({ kind, identity, requested, from }) => ({ kind, identity, requested, from }))
  const [from, identity] = ['127.0.0.1:4711', id('cart')]
  assert.deepEqual(said, [
    { kind: 'unauthenticated', identity: undefined, requested: undefined, from },
    { kind: 'malformed-request', identity, requested: undefined, from },
    { kind: 'identity-mismatch', identity, requested: id('price'), from },
    { kind: 'rate-limited', identity, requested: undefined, from },
  ])
  assert.match(String(ca.lines[3]?.reason), /sa\/cart asks for certificates too often; try again in 1\.0 s/)
  assert.deepEqual([ca.metrics.requests, ca.metrics.issued, ca.metrics.refused['rate-limited']], [4, 0, 1])
})

test('a disk that refuses is a refusal that says nothing of it to the caller, and leaves the token unused', async (t) => {
  let full = false
  const ca = authority(t, () => (full ? Promise.reject(new Error('ENOSPC: /secret/place')) : Promise.resolve()))
  const token = await tokenOf(ca)
  full = true
  const outcome = await signCertificate(ca, request(token, buildCsr(id('cart'), privateKey)))
  assert.ok(!outcome.issued && outcome.kind === 'internal' && !outcome.reason.includes('secret'))
  full = false
  assert.ok((await signCertificate(ca, request(token, buildCsr(id('cart'), privateKey)))).issued)
})
