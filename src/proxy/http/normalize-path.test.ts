import assert from 'node:assert/strict'
import { test } from 'node:test'
import { normalizePath } from './normalize-path.ts'

const normal = (path: string): string | undefined => normalizePath(path, true, false)

test('what is written as an escape without need is the same path', () => {
  assert.equal(normal('/%61dmin'), '/admin')
  assert.equal(normal('/%7euser/%41'), '/~user/A')
  assert.equal(normal('/a/%2e%2E/b'), '/b')
})

test('reserved characters, broken escapes and the query stay as they are', () => {
  assert.equal(normal('/a%2fb%20c'), '/a%2fb%20c')
  assert.equal(normal('/%zz%'), '/%zz%')
  assert.equal(normal('/a?x=%61'), '/a?x=%61')
  assert.equal(normalizePath('/%61', false, true), '/%61')
})

test('an encoded NUL has no meaning', () => {
  assert.equal(normal('/a%00b'), undefined)
})
