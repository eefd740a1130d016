// Changes of the authority while it runs: what is trusted, what issues, and in which order.
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { cacerts, type MadeAuthority, makeAuthority, temporaryFolder, writeSet } from '../../test/harness/authorities.ts'
import { FakeClock } from '../base/fake-clock.ts'
import { createLogger } from '../base/log.ts'
import { type Authority, openAuthority, ROOT_SPREAD_MS } from './authority.ts'
import { caTroubles } from './ca-health.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

interface Place {
  readonly state: string
  readonly cacerts: string
  readonly clock: FakeClock
  readonly lines: string[]
  /** @param pollMs for tests that let days pass. */
  open(pollMs?: number): Authority
}

function place(t: TestContext): Place {
  const folder = temporaryFolder(t)
  const [state, cacertsFolder] = [join(folder, 'state'), join(folder, 'cacerts')]
  const clock = new FakeClock(Date.now() + 60_000)
  const lines: string[] = []
  const log = createLogger({ level: 'info', format: 'text', write: (line) => void lines.push(line), nowMs: () => clock.nowMs() })
  const open = (pollMs = 2000): Authority =>
    openAuthority({ stateFolder: state, cacertsFolder, trustDomain: 'cluster.local', clock, log, maxValidityMs: DAY_MS, pollMs })
  return { state, cacerts: cacertsFolder, clock, lines, open }
}

const roots = (authority: Authority): number => authority.bundle.value.roots.length
const issuedBy = (authority: Authority): string => authority.issuing.value.issuer.certificate.subject.replace(/\n/g, ' ')
const below = (t: TestContext, root: MadeAuthority, name = 'issuer'): Record<string, string> =>
  cacerts(makeAuthority(t, name, root), [root], [root])

test('a CA that is plugged in while the mesh runs is trusted first and issues later; the old root goes when its last leaf has ended', (t) => {
  const { cacerts: folder, clock, open } = place(t)
  const authority = open(HOUR_MS)
  assert.equal(authority.issuing.value.source, 'self-signed')
  writeSet(folder, below(t, makeAuthority(t, 'root')))
  clock.advance(HOUR_MS)
  assert.deepEqual([roots(authority), authority.issuing.value.source], [2, 'self-signed'])
  clock.advance(ROOT_SPREAD_MS - 1)
  assert.equal(authority.issuing.value.source, 'self-signed')
  clock.advance(1)
  assert.deepEqual([roots(authority), issuedBy(authority)], [2, 'O=Example CN=issuer'])
  assert.deepEqual(
    caTroubles(authority, clock.nowMs()).map(({ kind }) => kind),
    ['retiring'],
  )
  clock.advance(DAY_MS)
  assert.equal(roots(authority), 2)
  clock.advance(HOUR_MS)
  assert.equal(roots(authority), 1)
})

test('a new intermediate below the same root issues at once', (t) => {
  const { cacerts: folder, clock, open } = place(t)
  const root = makeAuthority(t, 'root')
  writeSet(folder, below(t, root, 'first'))
  const authority = open()
  writeSet(folder, below(t, root, 'second'))
  clock.advance(2000)
  assert.deepEqual([issuedBy(authority), roots(authority)], ['O=Example CN=second', 1])
})

test('files that do not hold leave the last good ones in force, are reported once, and are taken when they are mended', (t) => {
  const { cacerts: folder, clock, lines, open } = place(t)
  const root = makeAuthority(t, 'root')
  writeSet(folder, below(t, root, 'first'))
  const authority = open()
  const second = below(t, root, 'second')
  // As an editor leaves them in between: half of the new set.
  writeSet(folder, { 'ca-key.pem': second['ca-key.pem'] ?? '' })
  clock.advance(60_000)
  assert.equal(issuedBy(authority), 'O=Example CN=first')
  const [trouble] = caTroubles(authority, clock.nowMs())
  assert.deepEqual(trouble?.kind === 'refused' && trouble.file, 'ca-cert.pem')
  assert.equal(lines.filter((line) => line.includes('is not taken')).length, 1)
  writeSet(folder, second)
  clock.advance(2000)
  assert.deepEqual([issuedBy(authority), authority.refused.length], ['O=Example CN=second', 0])
})

test('a change that is taken back before the new root has spread issues nothing from it', (t) => {
  const { cacerts: folder, clock, open } = place(t)
  const first = below(t, makeAuthority(t, 'a'), 'first')
  writeSet(folder, first)
  const authority = open()
  writeSet(folder, below(t, makeAuthority(t, 'b'), 'second'))
  clock.advance(2000)
  assert.equal(roots(authority), 2)
  writeSet(folder, first)
  clock.advance(ROOT_SPREAD_MS * 2)
  assert.deepEqual([issuedBy(authority), roots(authority), authority.pending], ['O=Example CN=first', 1, undefined])
})

test('a restart in the middle still trusts what was issued before, as long as it lives', (t) => {
  const { cacerts: folder, clock, state, open } = place(t)
  writeSet(folder, below(t, makeAuthority(t, 'a'), 'first'))
  open().stop()
  writeSet(folder, below(t, makeAuthority(t, 'b'), 'second'))
  const authority = open(HOUR_MS)
  assert.deepEqual([issuedBy(authority), roots(authority)], ['O=Example CN=second', 2])
  authority.stop()
  clock.advance(DAY_MS / 2)
  const again = open(HOUR_MS)
  assert.equal(roots(again), 2)
  again.stop()
  clock.advance(DAY_MS)
  assert.equal(roots(open(HOUR_MS)), 1)
  assert.match(readFileSync(join(state, 'ca/trusted-roots.json'), 'utf8'), /"retiring": \[\]/)
})

test('a mesh that issued from a plugged-in CA does not start with another root when the files are gone', (t) => {
  const { cacerts: folder, clock, open } = place(t)
  writeSet(folder, below(t, makeAuthority(t, 'root')))
  const authority = open()
  rmSync(folder, { recursive: true })
  clock.advance(2000)
  assert.deepEqual(
    caTroubles(authority, clock.nowMs()).map(({ kind }) => kind),
    ['refused'],
  )
  assert.equal(issuedBy(authority), 'O=Example CN=issuer')
  assert.throws(open, /is not there any more; put it back/)
})

test('a bad set, and a key that everybody can read, stop the start', (t) => {
  const { cacerts: folder, open } = place(t)
  const set = below(t, makeAuthority(t, 'root'))
  writeSet(folder, { ...set, 'root-cert.pem': 'hello' })
  assert.throws(open, /cannot be used: root-cert.pem: holds no certificate/)
  writeSet(folder, set)
  rmSync(join(folder, 'ca-key.pem'))
  assert.throws(open, /ca-key.pem: is missing/)
})

test('a mounted Secret is read through its link, one generation at a time', (t) => {
  const { cacerts: folder, clock, open } = place(t)
  const root = makeAuthority(t, 'root')
  const mount = (generation: string, set: Record<string, string>): void => {
    writeSet(join(folder, generation), set)
    symlinkSync(generation, join(folder, '..data.new'))
    renameSync(join(folder, '..data.new'), join(folder, '..data'))
  }
  mkdirSync(folder)
  mount('..1', below(t, root, 'first'))
  const authority = open()
  assert.equal(issuedBy(authority), 'O=Example CN=first')
  mount('..2', below(t, root, 'second'))
  clock.advance(2000)
  assert.equal(issuedBy(authority), 'O=Example CN=second')
  // A copy of the same set elsewhere is the same set.
  cpSync(join(folder, '..2'), join(folder, '..3'), { recursive: true })
  symlinkSync('..3', join(folder, '..data.new'))
  renameSync(join(folder, '..data.new'), join(folder, '..data'))
  clock.advance(2000)
  assert.equal(authority.pending, undefined)
})

test('what ends within 30 days is told, and what has ended', (t) => {
  const { cacerts: folder, clock, open } = place(t)
  const root = makeAuthority(t, 'root', undefined, { days: 90 })
  writeSet(folder, { ...cacerts(makeAuthority(t, 'issuer', root, { days: 50 }), [root], [root]), 'ca-crl.pem': 'x' })
  const authority = open(DAY_MS)
  const kinds = (): readonly string[] =>
    caTroubles(authority, clock.nowMs()).map((each) => ('what' in each ? `${each.kind} ${each.what}` : each.kind))
  assert.deepEqual(kinds(), ['revocation-list'])
  clock.advance(21 * DAY_MS)
  assert.deepEqual(kinds(), ['expiring intermediate', 'revocation-list'])
  clock.advance(40 * DAY_MS)
  assert.deepEqual(kinds(), ['expiring root', 'expired intermediate', 'revocation-list'])
})
