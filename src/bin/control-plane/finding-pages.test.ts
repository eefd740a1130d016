import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Finding } from '../../api/finding.ts'
import { readPage, toPages } from './finding-pages.ts'

const found = (index: number): Finding => ({
  code: 'LTN0112',
  severity: 'error',
  path: `spec.ports[${index}]`,
  message: `„${index}“`,
  hint: 'Write a number.',
})

test('all pages together are the list, in its order', () => {
  const findings = Array.from({ length: 1001 }, (_, index) => found(index))
  const { count, pages } = toPages(findings)
  assert.equal(count, 1001)
  assert.ok(pages.length > 1)
  assert.deepEqual(
    pages.flatMap((page) => readPage(page)),
    findings,
  )
})

test('nothing is no page', () => {
  assert.deepEqual(toPages([]), { count: 0, pages: [] })
})
