import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HeaderValue } from '../config/proxy-config.ts'
import { prefix, route, routeMatch, routeTable, virtualHost } from '../decide/route.fixture.ts'
import { addedLines, mutationsFor } from './header-mutations.ts'

function plan(remove: readonly string[], ...set: readonly Partial<HeaderValue>[]) {
  const values = set.map((value) => ({
    name: 'x',
    value: 'new',
    hasOperators: false,
    action: 'append' as const,
    keepsEmpty: false,
    ...value,
  }))
  const one = route('one', routeMatch(prefix('/')), { requestHeaders: { remove, set: values } })
  const made = mutationsFor(routeTable({}), virtualHost('all', [one]), one, undefined).request
  assert.ok(made)
  return { made, lines: (...there: readonly string[]) => addedLines(made, (name) => there.includes(name), String) }
}

test('overwrite-if-exists takes the place of the old value, and is nothing without one', () => {
  const { made, lines } = plan([], { action: 'overwrite-if-exists' })
  assert.ok(made.dropped.has('x'))
  assert.equal(lines('x'), 'x: new\r\n')
  assert.equal(lines(), '')
})

test('what was removed before does not exist for overwrite-if-exists', () => {
  assert.equal(plan(['x'], { action: 'overwrite-if-exists' }).lines('x'), '')
})

test('what was removed is absent for add-if-absent', () => {
  assert.equal(plan(['x'], { action: 'add-if-absent' }).lines('x'), 'x: new\r\n')
})

test('an empty value is written only when it shall be kept', () => {
  assert.equal(plan([], { value: '' }).lines(), '')
  assert.equal(plan([], { value: '', keepsEmpty: true }).lines(), 'x: \r\n')
})
