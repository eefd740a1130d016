import assert from 'node:assert/strict'
import { test } from 'node:test'
import { suggest } from './suggest.ts'

test('the nearest word within a third of the letters is suggested, ties go to the first', () => {
  assert.equal(suggest('reviws', ['ratings', 'reviews', 'details']), 'reviews')
  assert.equal(suggest('Reviews', ['ratings', 'reviews']), 'reviews')
  assert.equal(suggest('rout', ['route', 'routs']), 'route')
  assert.equal(suggest('details', ['reviews', 'ratings']), undefined)
  assert.equal(suggest('ab', ['ba']), 'ba')
  assert.equal(suggest('', ['a', 'bcd']), 'a')
})

test('long ends in common do not hide the difference', () => {
  const host = (name: string): string => `${name}.default.svc.cluster.local`
  assert.equal(suggest(host('reviws'), [host('ratings'), host('reviews')]), host('reviews'))
  assert.equal(suggest('aXb.c', ['ab.c', 'aab.c']), 'ab.c')
})
