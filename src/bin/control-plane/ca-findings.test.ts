// What the authority has wrong, as people read it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatFinding } from '../../api/finding.ts'
import { createLogger } from '../../base/log.ts'
import type { CaTrouble } from '../../ca/ca-health.ts'
import { caFindings, createCaFindingSayer } from './ca-findings.ts'

const notAfterMs = Date.UTC(2026, 11, 24)
const expiring: CaTrouble = { kind: 'expiring', what: 'root', serial: '0a', notAfterMs, daysLeft: 3 }

test('every trouble has its code and says what, until when, and what to do', () => {
  const troubles: readonly CaTrouble[] = [
    { kind: 'refused', file: 'ca-cert.pem', reason: 'does not belong to the key in ca-key.pem' },
    expiring,
    { kind: 'expired', what: 'intermediate', serial: '0b', notAfterMs },
    { kind: 'revocation-list' },
    { kind: 'retiring', count: 1, untilMs: notAfterMs },
  ]
  const lines = caFindings(troubles).map(formatFinding)
  const expected = [
    /^error LTN0401: the certificate authority's files are not in force: ca-cert.pem does not belong to the key in ca-key.pem\. Correct/,
    /^warning LTN0402: the root certificate \(serial 0a\) expires in 3 days, at 2026-12-24T00:00:00.000Z\. Plug in/,
    /^error LTN0403: the intermediate certificate \(serial 0b\) expired at 2026-12-24/,
    /^warning LTN0404: ca-crl.pem is there/,
    /^info LTN0405: .*: 1, until 2026-12-24/,
  ]
  assert.equal(lines.length, expected.length)
  for (const [index, line] of lines.entries()) assert.match(line, expected[index] ?? /^$/)
})

test('the log says each once, and not anew for every day', () => {
  const lines: string[] = []
  const say = createCaFindingSayer(createLogger({ level: 'info', format: 'text', write: (line) => void lines.push(line), nowMs: () => 0 }))
  say(caFindings([expiring]))
  say(caFindings([{ ...expiring, daysLeft: 2 }]))
  assert.equal(lines.length, 1)
  say(caFindings([]))
  say(caFindings([expiring]))
  assert.equal(lines.length, 2)
})
