import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compileRegex, compileRegexRewrite, compileStrictRegex, MAX_SUBJECT_LENGTH } from './regex.ts'
import type { StringMatcher } from './string-matcher.ts'

function matcher(pattern: string, compile = compileRegex): StringMatcher {
  const result = compile(pattern)
  assert.ok(result.ok, JSON.stringify(result))
  return result.value
}

for (const [pattern, matching, other] of [
  ['/v1', ['/v1'], ['/v1/', '', '/v']],
  ['^/v1$', ['/v1'], ['/v1/']],
  ['.*', ['', 'x'], []],
  ['', [''], ['x']],
  ['/v1.*', ['/v1', '/v12'], ['/v']],
  ['.*/ns/default/.*', ['spiffe://td/ns/default/sa/a'], ['spiffe://td/ns/other/sa/a']],
  ['.*\\.jpg', ['a.jpg'], ['ajpg', 'a.jpgx']],
  ['/a\\.*', ['/a', '/a...'], ['/ab']],
  ['a|b', ['a', 'b'], ['ab', 'c']],
  ['/v[12]/.+', ['/v1/x'], ['/v3/x', '/v1/', 'x/v1/x']],
  ['\\d+', ['123'], ['12a']],
  ['(?i)abc', ['ABC'], ['abd']],
] as const) {
  test(`the pattern '${pattern}' matches whole subjects only`, () => {
    const matches = matcher(pattern)
    for (const subject of matching) assert.equal(matches(subject), true, subject)
    for (const subject of other) assert.equal(matches(subject), false, subject)
  })
}

test('a pattern that is not RE2 is a problem with its reason', () => {
  for (const pattern of ['(a', 'a(?=b)', '(a)\\1', `${'('.repeat(5000)}`]) {
    assert.equal(compileRegex(pattern).ok, false, pattern.slice(0, 20))
  }
})

test('a pattern whose program is too large is refused', () => {
  assert.equal(compileRegex('(?:[a-z]{100}|[0-9]{100}x){9}(?:[a-z]{900})(?:[b-z]{900}){1}'.repeat(8)).ok, false)
})

test('a subject beyond the cap matches no route and cannot be judged by a policy', () => {
  const long = 'a'.repeat(MAX_SUBJECT_LENGTH + 1)
  assert.equal(matcher('[ab]+')(long), false)
  assert.throws(() => matcher('[ab]+', compileStrictRegex)(long), /too long/)
})

test('nested repetition takes linear time', () => {
  assert.equal(matcher('(a+)+$b')('a'.repeat(30_000)), false)
})

test('a rewrite puts groups where the substitution names them', () => {
  const rewrite = compileRegexRewrite('^/service/([^/]+)(/.*)$', '\\2/instance/\\1')
  assert.ok(rewrite.ok)
  assert.equal(rewrite.value('/service/foo/v1/api'), '/v1/api/instance/foo')
  assert.equal(rewrite.value('/other'), '/other')
  const all = compileRegexRewrite('one', '$1two')
  assert.ok(all.ok)
  assert.equal(all.value('/xxx/one/yyy/one/zzz'), '/xxx/$1two/yyy/$1two/zzz')
  assert.equal(compileRegexRewrite('a', '\\1').ok, false)
})
