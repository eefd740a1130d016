import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HeaderMutations, HeaderValue } from '../config/proxy-config.ts'
import { prefix, route, routeMatch, routeTable, virtualHost } from '../decide/route.fixture.ts'
import { mutationsFor } from './header-mutations.ts'
import { MutatedFields } from './mutated-fields.ts'

const value = (fields: Partial<HeaderValue>): HeaderValue => ({
  name: 'x',
  value: 'new',
  hasOperators: false,
  action: 'append',
  keepsEmpty: false,
  ...fields,
})

/** What becomes of the message's own `x` and of the added lines. @param came value of the x that came, if one did */
function after(came: string | undefined, ...levels: readonly HeaderMutations[]): string {
  const [inner = { remove: [], set: [] }, outer = { remove: [], set: [] }] = levels
  const one = route('one', routeMatch(prefix('/')), { requestHeaders: inner })
  const plan = mutationsFor(routeTable({}), { ...virtualHost('all', [one]), requestHeaders: outer }, one, undefined).request
  assert.ok(plan)
  const fields = new MutatedFields((name) => (name === 'x' ? came : undefined), 'x-own: 1\r\n')
  fields.apply(plan, (template) => template.replace('%X%', fields.get('x') ?? ''))
  return fields.lines.replaceAll('\r\n', ';') + (fields.dropped.has('x') ? 'dropped' : '')
}

const set = (...values: readonly Partial<HeaderValue>[]): HeaderMutations => ({ remove: [], set: values.map(value) })

test('overwrite-if-exists takes the place of the old value, and is nothing without one', () => {
  assert.equal(after('old', set({ action: 'overwrite-if-exists' })), 'x-own: 1;x: new;dropped')
  assert.equal(after(undefined, set({ action: 'overwrite-if-exists' })), 'x-own: 1;')
})

test('what was removed before does not exist for overwrite-if-exists, and is absent for add-if-absent', () => {
  const remove = { remove: ['x'], set: [] }
  assert.equal(after('old', remove, set({ action: 'overwrite-if-exists' })), 'x-own: 1;dropped')
  assert.equal(after('old', remove, set({ action: 'add-if-absent' })), 'x-own: 1;x: new;dropped')
})

test('an empty value is written only when it shall be kept, and overwrites nothing otherwise', () => {
  assert.equal(after('old', set({ value: '' })), 'x-own: 1;')
  assert.equal(after('old', set({ value: '', keepsEmpty: true })), 'x-own: 1;x: ;')
  assert.equal(after('old', set({ value: '', action: 'overwrite' })), 'x-own: 1;')
})

test('an outer level sees what the inner one did, values of one level do not see each other', () => {
  assert.equal(after(undefined, set({ value: 'in' }), set({ name: 'y', value: '%X%', hasOperators: true })), 'x-own: 1;x: in;y: in;')
  assert.equal(
    after('old', set({ action: 'overwrite' }, { name: 'y', value: '%X%', hasOperators: true })),
    'x-own: 1;x: new;y: old;dropped',
  )
})

test('lines of the proxy itself can be removed; framing and authority are never written as a line', () => {
  assert.equal(after(undefined, { remove: ['x-own'], set: [] }), '')
  assert.equal(after(undefined, set({ name: 'content-length', value: '5' }, { name: 'host' }, { name: 'transfer-encoding' })), 'x-own: 1;')
})
