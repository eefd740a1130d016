// What Findings and proxies' progress come to as conditions.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { finding } from '../../api/finding.ts'
import type { LaggingProxy, ObjectTotal } from '../../model/progress.ts'
import { asConditions, type Condition, conditionsOf, differenceOf, type Verdict, verdictsOf } from './conditions.ts'
import { type FindingSummary, NOTHING_FOUND, summarise } from './findings-by-object.ts'

const OBJECT = {
  apiVersion: 'networking.istio.io/v1',
  kind: 'VirtualService',
  metadata: { name: 'reviews', namespace: 'default', labels: {}, annotations: {} },
  spec: {},
}
const SINCE_MS = Date.UTC(2026, 0, 1, 12, 0, 5, 678)

const total = (
  programmed: number,
  concerned: number,
  lagging: readonly LaggingProxy[] = [],
  outdated: readonly string[] = [],
): ObjectTotal => ({
  ...{ programmed, concerned, lagging, outdated },
})
const verdict = (type: string, of: ObjectTotal, found: FindingSummary = NOTHING_FOUND, kind = 'VirtualService'): Verdict => {
  const made = verdictsOf(kind, found, of).find((each) => each.type === type)
  assert.ok(made)
  return made
}
function found(...findings: readonly ReturnType<typeof finding>[]): FindingSummary {
  const byObject = new Map<string, FindingSummary>()
  summarise(findings, byObject)
  return byObject.get('VirtualService default/reviews') ?? NOTHING_FOUND
}

test('all proxies that are concerned have it: programmed', () => {
  assert.deepEqual(verdict('Programmed', total(6, 6)), {
    type: 'Programmed',
    status: 'True',
    reason: 'Programmed',
    message: '6 of 6 proxies',
  })
})

test('who has not acknowledged is named, with the time', () => {
  const lagging = [{ proxy: 'default/reviews-v3', why: 'unanswered', sinceMs: SINCE_MS } as const]
  assert.deepEqual(verdict('Programmed', total(5, 6, lagging)), {
    ...{ type: 'Programmed', status: 'False', reason: 'Pending' },
    message: '5 of 6 proxies: default/reviews-v3 has not acknowledged since 2026-01-01T12:00:05Z',
  })
})

test('a refusal is told from a delay, and a proxy that is gone from both', () => {
  const rejected = [{ proxy: 'default/a', why: 'rejected', sinceMs: 0, message: 'no such cluster' } as const]
  const gone = [{ proxy: 'default/b', why: 'gone', sinceMs: SINCE_MS } as const]
  assert.equal(verdict('Programmed', total(5, 6, rejected)).reason, 'Rejected')
  assert.match(verdict('Programmed', total(5, 6, rejected)).message, /default\/a rejected it: no such cluster/)
  assert.equal(verdict('Programmed', total(5, 6, gone)).reason, 'Disconnected')
  assert.match(verdict('Programmed', total(5, 6, gone)).message, /default\/b is not connected any more since 2026/)
})

test('what nobody runs is not said to be programmed', () => {
  assert.equal(verdict('Programmed', total(0, 0)).status, 'Unknown')
  assert.equal(verdict('Programmed', total(0, 0), found(finding('LTN0201', OBJECT, 'spec', { host: 'x', suggestion: '' }))).status, 'False')
  assert.equal(verdict('Programmed', total(0, 0), NOTHING_FOUND, 'WorkloadEntry').reason, 'NotTracked')
})

test('a replica that has not compiled the generation keeps it from being programmed', () => {
  const of = verdict('Programmed', total(4, 4, [], ['control-plane-b']))
  assert.deepEqual([of.status, of.reason], ['False', 'Pending'])
  assert.match(of.message, /not compiled yet by control-plane-b/)
})

test('an error is what an object is not accepted for, with its code and place', () => {
  const summary = found(finding('LTN0201', OBJECT, 'spec.http[0].route[0].destination.host', { host: 'nowhere', suggestion: '' }))
  const accepted = verdict('Accepted', total(0, 0), summary)
  assert.deepEqual([accepted.status, accepted.reason], ['False', 'Invalid'])
  assert.match(accepted.message, /^LTN0201 spec\.http\[0\]\.route\[0\]\.destination\.host: no service 'nowhere' is known/)
  assert.equal(verdict('Conflicted', total(0, 0), summary).status, 'False')
})

test('a conflict and fields without effect have conditions of their own, and leave the object accepted', () => {
  const summary = found(
    finding('LTN0205', OBJECT, 'spec.hosts[0]', { what: "'reviews'", winner: 'VirtualService default/older' }),
    finding('LTN0102', OBJECT, 'spec.http[0].mirror', { field: 'mirror' }),
  )
  assert.equal(verdict('Accepted', total(1, 1), summary).status, 'True')
  assert.match(verdict('Conflicted', total(1, 1), summary).message, /claimed by VirtualService default\/older/)
  assert.match(verdict('PartiallyIgnored', total(1, 1), summary).message, /LTN0102 spec\.http\[0\]\.mirror/)
})

test('messages are bounded, however much there is to say', () => {
  const rejected = Array.from(
    { length: 5 },
    (_, index) => ({ proxy: `ns/${'p'.repeat(200)}${index}`, why: 'rejected', sinceMs: 0, message: 'x'.repeat(5000) }) as const,
  )
  assert.ok(verdict('Programmed', total(0, 5000, rejected)).message.length <= 1024)
})

test('other numbers are less than another status, and foreign conditions are nobody we compare', () => {
  const of = (programmed: number): readonly Condition[] =>
    asConditions(verdictsOf('VirtualService', NOTHING_FOUND, total(programmed, programmed)), 1)
  const read = conditionsOf({ conditions: [{ type: 'Reconciled', status: 'True' }, ...of(6)] })
  assert.deepEqual(read, of(6))
  assert.equal(differenceOf(read, of(6)), 'none')
  assert.equal(differenceOf(read, of(7)), 'counts')
  assert.equal(differenceOf([], of(6)), 'status')
})
