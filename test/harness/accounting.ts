// Open-loop POST load through a sidecar, and the one question about it: was every request answered once, by whom?
import assert from 'node:assert/strict'
import type { HostPort } from '../../src/model/address-plan.ts'
import type { LoadReport } from './load.ts'
import { accountedFor, runLoadProcess } from './load-process.ts'

export interface PostLoad {
  /** Undefined: a closed loop. */
  readonly ratePerSecond?: number
  readonly durationMs: number
  readonly requests?: number
  readonly path?: string
  readonly connections?: number
}

/** The echo application names itself and the attempt in this header. */
const ANSWERED_BY = 'x-answered-by'

export function postLoad(to: HostPort, { path = '/pay', connections = 128, ...plan }: PostLoad): Promise<LoadReport> {
  return runLoadProcess({
    ...to,
    ...plan,
    connections,
    method: 'POST',
    path,
    headers: { host: 'echo:8080', 'content-type': 'text/plain' },
    body: 'amount=10&to=somebody',
    countHeader: ANSWERED_BY,
  })
}

/** Every intended request was sent, every sent one was answered 200, by an application that saw it as the first attempt. */
export function assertNoneLost(report: LoadReport): void {
  const inWords = JSON.stringify(report)
  assert.equal(report.unsent, 0, `some requests were never sent: ${inWords}`)
  assert.equal(accountedFor(report), report.sent, `the books do not balance: ${inWords}`)
  assert.deepEqual(report.broken, {}, `connections broke during a request: ${inWords}`)
  assert.deepEqual(report.statuses, { 200: report.sent }, inWords)
  const again = Object.keys(report.counted).filter((who) => !who.endsWith(' attempt 1'))
  assert.deepEqual(again, [], `requests reached an application at another attempt than the first: ${inWords}`)
}

/** Instance or version -> answers; `field` 0 is the instance, 1 the version. */
export function answersBy(report: LoadReport, field: 0 | 1): ReadonlyMap<string, number> {
  const answers = new Map<string, number>()
  for (const [who, count] of Object.entries(report.counted)) {
    const key = who.split(' ')[field] ?? ''
    answers.set(key, (answers.get(key) ?? 0) + count)
  }
  return answers
}

export function describeLoad({ sent, statuses, latencyMs, elapsedMs }: LoadReport): string {
  const { p50, p99, max } = latencyMs
  const ms = (value: number): string => value.toFixed(1)
  const seconds = (elapsedMs / 1000).toFixed(1)
  return `${sent} sent in ${seconds} s, ${JSON.stringify(statuses)}, p50 ${ms(p50)} p99 ${ms(p99)} max ${ms(max)} ms`
}
