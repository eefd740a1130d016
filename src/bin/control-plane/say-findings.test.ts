// A finding of a running mesh is said in the log: once, with its place, and again only when it came back.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Finding } from '../../api/finding.ts'
import { createLogger } from '../../base/log.ts'
import { createFreshness, sayFindings } from './say-findings.ts'

const object = { kind: 'Service', namespace: 'default', name: 'a' } as const
const wrong = (severity: Finding['severity'], message: string): Finding => ({
  code: 'LTN0112',
  severity,
  object,
  path: 'spec.ports',
  message,
  hint: 'Write a number.',
})

function sayer() {
  const lines: string[] = []
  const log = createLogger({ level: 'info', format: 'text', write: (line) => void lines.push(line), nowMs: () => 0 })
  const fresh = createFreshness()
  const located = (findings: readonly Finding[]) => findings.map((each) => ({ ...each, position: { file: 'a.yaml', line: 3, column: 5 } }))
  const say = (findings: readonly Finding[]) => sayFindings(log, async (each) => located(each), [fresh(findings)])
  return { lines, say }
}

test('a finding is said once, and again when it came back', async () => {
  const { lines, say } = sayer()
  for (const findings of [[wrong('error', 'no number')], [wrong('error', 'no number')], [], [wrong('error', 'no number')]])
    await say(findings)
  assert.equal(lines.length, 2)
  assert.match(lines[0] ?? '', /error LTN0112 .*Service default\/a spec\.ports: no number\. Write a number\./)
  assert.match(lines[0] ?? '', /a\.yaml:3:5/)
})

test('what is only for information is not said', async () => {
  const { lines, say } = sayer()
  await say([wrong('info', 'by the way')])
  assert.deepEqual(lines, [])
})

test('of very many findings the first are said, and how many more there are', async () => {
  const { lines, say } = sayer()
  await say(Array.from({ length: 50 }, (_, index) => wrong('warning', `number ${index}`)))
  assert.equal(lines.length, 21)
  assert.match(lines.at(-1) ?? '', /more findings.*30/)
})
