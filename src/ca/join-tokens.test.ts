// Join tokens: once, for one identity, for a while; remembered by their hash.
import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { FakeClock } from '../base/fake-clock.ts'
import type { Result } from '../base/result.ts'
import { parseSpiffeId, type SpiffeId } from '../identity/spiffe-id.ts'
import { openJoinTokens } from './join-tokens.ts'

const MINUTE_MS = 60_000

function spiffeId(text: string): SpiffeId {
  const parsed = parseSpiffeId(text)
  assert.ok(parsed.ok)
  return parsed.value
}

const id = spiffeId('spiffe://cluster.local/ns/default/sa/cart')

function file(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'lateen-tokens-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return join(folder, 'tokens.json')
}

function value<T>(result: Result<T>): T {
  assert.ok(result.ok, JSON.stringify(result))
  return result.value
}

const why = (result: Result<unknown>): string => (result.ok ? '' : (result.problems[0]?.message ?? ''))

test('a token is good for its identity, once', async (t) => {
  const tokens = openJoinTokens(file(t), new FakeClock())
  const token = value(await tokens.mint(id, MINUTE_MS))
  assert.equal(value(tokens.check(token)), id)
  assert.equal(value(await tokens.redeem(token)), id)
  assert.match(why(await tokens.redeem(token)), /was used already/)
  assert.match(why(tokens.check(token)), /was used already/)
})

test('a token expires', async (t) => {
  const clock = new FakeClock()
  const tokens = openJoinTokens(file(t), clock)
  const token = value(await tokens.mint(id, MINUTE_MS))
  clock.advance(MINUTE_MS)
  assert.match(why(await tokens.redeem(token)), /expired at/)
})

test('a restart neither forgets a token nor allows a used one again', async (t) => {
  const path = file(t)
  const clock = new FakeClock()
  const before = openJoinTokens(path, clock)
  const [used, unused] = [value(await before.mint(id, MINUTE_MS)), value(await before.mint(id, MINUTE_MS))]
  value(await before.redeem(used))
  const after = openJoinTokens(path, clock)
  assert.match(why(await after.redeem(used)), /was used already/)
  assert.equal(value(await after.redeem(unused)), id)
})

test('the file holds no token, and is refused when others can read it', async (t) => {
  const path = file(t)
  const token = value(await openJoinTokens(path, new FakeClock()).mint(id, MINUTE_MS))
  assert.ok(!readFileSync(path, 'utf8').includes(token.slice('lateen-join-'.length)))
  chmodSync(path, 0o640)
  assert.throws(() => openJoinTokens(path, new FakeClock()), /has mode 0640/)
})

test('what expired is forgotten, so that the file does not grow', async (t) => {
  const path = file(t)
  const clock = new FakeClock()
  const tokens = openJoinTokens(path, clock)
  for (let round = 0; round < 50; round++) {
    value(await tokens.mint(id, MINUTE_MS))
    clock.advance(10_000)
  }
  assert.ok(JSON.parse(readFileSync(path, 'utf8')).tokens.length <= 7)
})

test('a damaged file stops the start instead of forgetting which tokens were used', async (t) => {
  const path = file(t)
  for (const text of ['', '{}', '{"tokens":[{}]}', '{"tokens":[{"hash":"00","identity":"x","expiresMs":1}]}']) {
    writeFileSync(path, text, { mode: 0o600 })
    assert.throws(() => openJoinTokens(path, new FakeClock()), /cannot be read/)
  }
})

test('tokens that are redeemed while the disk is busy share the next flush, and none is answered before it', async (t) => {
  const writes: { readonly content: string; readonly done: () => void }[] = []
  const write = (_: string, content: string): Promise<void> => new Promise((done) => void writes.push({ content, done }))
  const tokens = openJoinTokens(file(t), new FakeClock(), { write })
  const minting = Array.from({ length: 50 }, () => tokens.mint(id, MINUTE_MS))
  const finish = async (): Promise<void> => {
    await Promise.resolve().then(() => Promise.resolve())
    await new Promise((resolve) => setImmediate(resolve))
    writes.at(-1)?.done()
  }
  await finish()
  await finish()
  const minted = (await Promise.all(minting)).map((each) => value(each))
  const flushes = writes.length
  assert.ok(flushes <= 2, `${flushes} flushes`)
  let answered = 0
  const redeeming = minted.map(async (token) => {
    value(await tokens.redeem(token))
    answered++
  })
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(answered, 0)
  assert.match(why(tokens.check(minted[7] ?? '')), /was used already/, 'nobody else can use it in the meantime')
  await finish()
  await finish()
  await Promise.all(redeeming)
  assert.ok(writes.length - flushes <= 2)
  assert.equal(JSON.parse(writes.at(-1)?.content ?? '').tokens.filter((each: { usedMs?: number }) => each.usedMs !== undefined).length, 50)
})
