// docs/failures.md says the same as src/proxy/rescue.ts, in both directions: a failure that people cannot look up does not exist, and
// the page promises nothing that the proxy does not do.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { FAILURES } from '../../src/proxy/rescue.ts'

const page = readFileSync(path.resolve(import.meta.dirname, '../../docs/failures.md'), 'utf8')

interface Row {
  readonly status: number
  readonly flag: string
  readonly details: string
  readonly body: string
  readonly closes: boolean
}

function documented(): ReadonlyMap<string, { readonly row: Row; readonly advice: string }> {
  const rows = page.split('\n').filter((line) => /^\| [a-z0-9-]+ \|/.test(line))
  return new Map(
    rows.map((line) => {
      const cells = line
        .slice(1, -1)
        .split(/(?<!\\)\|/)
        .map((cell) =>
          cell
            .trim()
            .replaceAll('\\|', '|')
            .replace(/^`(.*)`$/, '$1'),
        )
      const [name = '', status = '', flag = '', details = '', body = '', closes = '', advice = ''] = cells
      return [name, { row: { status: Number(status), flag, details, body, closes: closes === 'yes' }, advice }] as const
    }),
  )
}

test('the page lists exactly the failures of the proxy, with the same answers', () => {
  const rows = Object.fromEntries([...documented()].map(([name, { row }]) => [name, row]))
  assert.deepEqual(rows, structuredClone(FAILURES))
})

test('every failure says where to look', () => {
  for (const [name, { advice }] of documented()) assert.ok(advice.length > 10, name)
})

test('a failure with a status has a body of one line, and one without has none', () => {
  for (const [name, { status, body }] of Object.entries(FAILURES)) {
    assert.equal(body !== '', status !== 0, name)
    assert.ok(!body.includes('\n'), name)
  }
})
