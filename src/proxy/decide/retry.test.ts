import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RetryCondition, RetryPolicy } from '../config/proxy-config.ts'
import { describeRetry } from './describe.ts'
import { type AttemptResult, decideRetry, type RetrySituation, retryDelayMs } from './retry.ts'

const policy = (...on: readonly RetryCondition[]): RetryPolicy => ({
  maxRetries: 2,
  on: new Set(on),
  retriableStatusCodes: new Set([503]),
  perTryTimeoutMs: undefined,
  backoffBaseMs: 25,
  backoffMaxMs: 250,
  avoidsPreviousHosts: true,
  hostSelectionAttempts: 5,
})

const situation = (result: AttemptResult, fields: Partial<RetrySituation> = {}): RetrySituation => ({
  result,
  attempts: 1,
  replayable: true,
  responseStarted: false,
  activeRetries: 0,
  maxActiveRetries: 3,
  remainingMs: undefined,
  ...fields,
})

const answer = (status: number, grpcStatus?: number): AttemptResult => ({ kind: 'response', status, grpcStatus })

for (const [on, result, expected] of [
  ['connect-failure', { kind: 'connect-failure' }, 'connect-failure'],
  ['connect-failure', { kind: 'reset-before-request' }, 'not-retriable'],
  ['connect-failure', { kind: 'reset' }, 'maybe-processed'],
  ['reset-before-request', { kind: 'reset-before-request' }, 'reset-before-request'],
  ['reset-before-request', { kind: 'connect-failure' }, 'reset-before-request'],
  ['reset-before-request', { kind: 'reset' }, 'maybe-processed'],
  ['refused-stream', { kind: 'refused-stream' }, 'refused-stream'],
  ['refused-stream', { kind: 'reset' }, 'maybe-processed'],
  ['reset', { kind: 'reset' }, 'reset'],
  ['reset', { kind: 'per-try-timeout' }, 'reset'],
  ['reset', answer(503), 'not-retriable'],
  ['5xx', { kind: 'reset' }, '5xx'],
  ['5xx', answer(500), '5xx'],
  ['5xx', answer(499), 'not-retriable'],
  ['gateway-error', answer(502), 'gateway-error'],
  ['gateway-error', answer(500), 'not-retriable'],
  ['gateway-error', { kind: 'reset' }, 'gateway-error'],
  ['retriable-4xx', answer(409), 'retriable-4xx'],
  ['retriable-4xx', answer(404), 'not-retriable'],
  ['retriable-status-codes', answer(503), 'retriable-status-codes'],
  ['retriable-status-codes', answer(502), 'not-retriable'],
  ['unavailable', answer(200, 14), 'unavailable'],
  ['unavailable', answer(503), 'not-retriable'],
  ['cancelled', answer(200, 1), 'cancelled'],
  ['deadline-exceeded', answer(200, 4), 'deadline-exceeded'],
  ['resource-exhausted', answer(200, 8), 'resource-exhausted'],
  ['internal', answer(200, 13), 'internal'],
  ['5xx', { kind: 'overflow' }, 'not-retriable'],
] as const satisfies readonly (readonly [RetryCondition, AttemptResult, string])[]) {
  test(`on '${on}', ${JSON.stringify(result)} is ${expected}`, () => {
    assert.equal(decideRetry(policy(on), situation(result), () => 0).because, expected)
  })
}

for (const [what, fields, expected] of [
  ['attempts are spent', { attempts: 3 }, 'attempts-spent'],
  ['the budget is spent', { activeRetries: 3 }, 'budget-spent'],
  ['the body was not kept', { replayable: false }, 'not-replayable'],
  ['the response has begun', { responseStarted: true }, 'response-started'],
  ['the deadline is nearer than the back-off', { remainingMs: 0 }, 'deadline'],
] as const) {
  test(`nothing is tried again when ${what}`, () => {
    const decision = decideRetry(policy('connect-failure'), situation({ kind: 'connect-failure' }, fields), () => 0)
    assert.deepEqual(decision, { retry: false, because: expected })
    assert.match(describeRetry(decision), /^not tried again: /)
  })
}

test('the last allowed attempt is still made', () => {
  assert.equal(decideRetry(policy('connect-failure'), situation({ kind: 'connect-failure' }, { attempts: 2 }), () => 0).retry, true)
})

test('without a policy nothing is tried again', () => {
  assert.equal(decideRetry(undefined, situation({ kind: 'connect-failure' }), () => 0).because, 'no-policy')
})

test('the wait doubles to its cap, with full jitter', () => {
  const waits = [1, 2, 3, 4, 5, 50].map((attempts) => retryDelayMs(policy('reset'), attempts, () => 0.999_999))
  assert.deepEqual(waits.map(Math.round), [25, 50, 100, 200, 250, 250])
  assert.equal(
    retryDelayMs(policy('reset'), 3, () => 0),
    0,
  )
})
