import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type AuthorizationFacts, type AuthorizationRules, authorizationDetails, authorize, type Condition } from './authorize.ts'
import { describeAuthorization } from './describe.ts'
import { testValues } from './request-view.ts'

const facts: AuthorizationFacts = {
  path: '/a',
  destinationIp: '10.0.0.1',
  destinationPort: 9080,
  directRemoteIp: '10.0.0.2',
  remoteIp: '10.0.0.3',
  serverName: 'sni',
  principals: ['spiffe://td/ns/a/sa/b'],
  testHeader: (name, test) => testValues({ ':method': 'GET', 'x-a': '1' }[name], test),
}

const ANY: Condition = { kind: 'any' }
const NEVER: Condition = { kind: 'not', condition: ANY }
const rules = (action: 'allow' | 'deny' | 'log', permission: Condition, shadow = false): AuthorizationRules => ({
  kind: 'rules',
  action,
  shadow,
  policies: [{ name: 'p', permissions: [permission], principals: [ANY] }],
})
const BROKEN: AuthorizationRules = { kind: 'invalid', reason: 'x' }
const because = (...sets: readonly AuthorizationRules[]) => {
  const decision = authorize(sets, facts)
  return decision.allowed ? 'allowed' : decision.because
}

for (const [what, sets, expected] of [
  ['no rule sets', [], 'allowed'],
  ['an allow that matches', [rules('allow', ANY)], 'allowed'],
  ['an allow that does not', [rules('allow', NEVER)], 'no-policy-allows'],
  ['an allow without policies', [{ kind: 'rules', action: 'allow', policies: [], shadow: false }], 'no-policy-allows'],
  ['a deny that matches', [rules('deny', ANY)], 'denied-by-policy'],
  ['a deny that does not', [rules('deny', NEVER)], 'allowed'],
  ['deny before allow', [rules('deny', ANY), rules('allow', ANY)], 'denied-by-policy'],
  ['allow, and deny after it', [rules('allow', ANY), rules('deny', ANY)], 'denied-by-policy'],
  ['a log', [rules('log', NEVER)], 'allowed'],
  ['a shadow deny', [rules('deny', ANY, true)], 'allowed'],
  ['what could not be read', [rules('allow', ANY), BROKEN], 'policy-invalid'],
] as const satisfies readonly (readonly [string, readonly AuthorizationRules[], string])[]) {
  test(`${what}: ${expected}`, () => assert.equal(because(...sets), expected))
}

const header = (fields: object): Condition => ({
  kind: 'header',
  name: 'x-a',
  matches: (value) => value === '1',
  inverted: false,
  missingIsEmpty: false,
  ...fields,
})

for (const [what, condition, expected] of [
  ['all of two', { kind: 'all-of', conditions: [ANY, NEVER] }, false],
  ['any of two', { kind: 'any-of', conditions: [NEVER, ANY] }, true],
  ['none of nothing', { kind: 'any-of', conditions: [] }, false],
  ['header', header({}), true],
  ['header, inverted', header({ inverted: true }), false],
  ['missing header, inverted', header({ name: 'x-z', inverted: true }), false],
  ['missing header, absence asked', header({ name: 'x-z', inverted: true, presence: true }), true],
  ['path', { kind: 'path', matches: (path) => path === '/a' }, true],
  ['port, first', { kind: 'destination-port', start: 9080, end: 9081 }, true],
  ['port, end is out', { kind: 'destination-port', start: 9000, end: 9080 }, false],
  ['direct peer address', { kind: 'address', of: 'direct-remote', ranges: [], contains: (ip) => ip === '10.0.0.2' }, true],
  ['client address', { kind: 'address', of: 'remote', ranges: [], contains: (ip) => ip === '10.0.0.3' }, true],
  ['own address', { kind: 'address', of: 'destination', ranges: [], contains: (ip) => ip === '10.0.0.1' }, true],
  ['server name', { kind: 'server-name', matches: (name) => name === 'sni' }, true],
  ['principal', { kind: 'authenticated', matches: (name) => name.endsWith('/sa/b') }, true],
  ['any principal', { kind: 'authenticated', matches: undefined }, true],
] as const satisfies readonly (readonly [string, Condition, boolean])[]) {
  test(`${what} ${expected ? 'holds' : 'does not hold'}`, () => {
    assert.equal(because(rules('allow', condition)), expected ? 'allowed' : 'no-policy-allows')
  })
}

test('nobody is authenticated without a certificate, and TCP has no path', () => {
  const bare = { ...facts, principals: [], path: undefined }
  assert.equal(authorize([rules('allow', { kind: 'authenticated', matches: undefined })], bare).allowed, false)
  assert.equal(authorize([rules('allow', { kind: 'path', matches: () => true })], bare).allowed, false)
})

test('what cannot be judged is denied, by a deny rule too', () => {
  const unjudgeable: Condition = {
    kind: 'path',
    matches: () => {
      throw new Error('too long')
    },
  }
  assert.equal(because(rules('deny', unjudgeable)), 'policy-invalid')
  assert.equal(because(rules('allow', unjudgeable)), 'policy-invalid')
})

test('a refusal names its policy, in the details and in a sentence', () => {
  const denied = authorize([rules('deny', ANY)], facts)
  assert.equal(authorizationDetails(denied), 'rbac_access_denied_matched_policy[p]')
  assert.match(describeAuthorization(denied), /policy 'p' of rule set 0/)
  assert.equal(authorizationDetails(authorize([rules('allow', NEVER)], facts)), 'rbac_access_denied_matched_policy[none]')
})
