// Facts marked 'as Envoy' were seen in an Envoy 1.40 with the same configuration.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HeaderMatch, RouteMatch, RouteTable } from '../config/proxy-config.ts'
import { describeRouteDecision } from './describe.ts'
import { findVirtualHost, matchesPath, matchRoute, queryParameter, withoutPort } from './match.ts'
import { requestView } from './request-view.ts'
import { prefix, route, routeMatch, routeTable, virtualHost } from './route.fixture.ts'

const hosts = routeTable({
  exactHosts: new Map([
    ['a.com', virtualHost('exact')],
    ['a.com:8080', virtualHost('exact-port')],
  ]),
  suffixHosts: [
    { suffix: '.x.b.com', virtualHost: virtualHost('long-suffix') },
    { suffix: '.b.com', virtualHost: virtualHost('suffix') },
  ],
  prefixHosts: [
    { prefix: 'api.eu.', virtualHost: virtualHost('long-prefix') },
    { prefix: 'api.', virtualHost: virtualHost('prefix') },
  ],
  defaultHost: virtualHost('default'),
})

for (const [authority, expected] of [
  ['a.com', 'exact'],
  ['A.Com', 'exact'],
  ['a.com:8080', 'exact-port'],
  ['a.com:9', 'default'],
  ['q.b.com', 'suffix'],
  ['q.x.b.com', 'long-suffix'],
  ['.b.com', 'default'],
  ['b.com', 'default'],
  ['api.us', 'prefix'],
  ['api.eu.1', 'long-prefix'],
  ['api.', 'default'],
  ['api.b.com', 'suffix'],
] as const) {
  test(`host '${authority}' belongs to virtual host '${expected}'`, () => {
    assert.equal(findVirtualHost(hosts, authority)?.name, expected)
  })
}

test('a table that ignores ports ignores the request port, not a domain that has one', () => {
  const table: RouteTable = { ...hosts, ignoresPort: true }
  assert.equal(findVirtualHost(table, 'a.com:9')?.name, 'exact')
  assert.equal(findVirtualHost(table, 'a.com:8080')?.name, 'exact')
})

test('a port is cut off, an IPv6 literal stays whole', () => {
  assert.deepEqual(['a:1', '[::1]:80', '[::1]', 'a', 'a:b'].map(withoutPort), ['a', '[::1]', '[::1]', 'a', 'a:b'])
})

for (const [match, path, expected] of [
  [prefix('/foo'), '/foobar', true],
  [prefix('/foo'), '/fo', false],
  [prefix('/Foo', true), '/fOObar', true],
  [prefix('/Foo'), '/foo', false],
  [{ kind: 'exact', value: '/a', ignoreCase: false }, '/a', true],
  [{ kind: 'exact', value: '/a', ignoreCase: false }, '/a/', false],
  [{ kind: 'exact', value: '/A', ignoreCase: true }, '/a', true],
  [{ kind: 'path-separated-prefix', value: '/a', ignoreCase: false }, '/a', true],
  [{ kind: 'path-separated-prefix', value: '/a', ignoreCase: false }, '/a/b', true],
  [{ kind: 'path-separated-prefix', value: '/a', ignoreCase: false }, '/ab', false],
  [{ kind: 'connect' }, '/', false],
  [prefix(''), '', false],
] as const satisfies readonly (readonly [RouteMatch['path'], string, boolean])[]) {
  test(`${JSON.stringify(match)} ${expected ? 'takes' : 'leaves'} '${path}'`, () => {
    assert.equal(matchesPath(match, path, 'GET'), expected)
  })
}

const header = (fields: Partial<HeaderMatch>): HeaderMatch => ({
  name: 'x-q',
  spec: { kind: 'exact', value: 'v' },
  matches: (value) => value === 'v',
  inverted: false,
  missingIsEmpty: false,
  ...fields,
})
const present: Partial<HeaderMatch> = { spec: { kind: 'present' }, matches: () => true }

for (const [what, fields, value, expected] of [
  ['equal', {}, 'v', true],
  ['other', {}, 'w', false],
  ['missing', {}, undefined, false],
  ['inverted, equal', { inverted: true }, 'v', false],
  ['inverted, other', { inverted: true }, 'w', true],
  ['inverted, missing (as Envoy)', { inverted: true }, undefined, false],
  ['inverted, missing as empty (as Envoy)', { inverted: true, missingIsEmpty: true }, undefined, true],
  ['present', present, 'x', true],
  ['present, missing', present, undefined, false],
  ['absent', { ...present, inverted: true }, undefined, true],
  ['absent, there', { ...present, inverted: true }, 'x', false],
] as const satisfies readonly (readonly [string, Partial<HeaderMatch>, string | undefined, boolean])[]) {
  test(`header matcher: ${what}`, () => {
    const table = routeTable({ defaultHost: virtualHost('h', [route('r', routeMatch(prefix('/'), { headers: [header(fields)] }))]) })
    const request = requestView({ authority: 'h', headers: value === undefined ? {} : { 'x-q': value } })
    assert.equal(matchRoute(table, request, () => 0).found, expected)
  })
}

test('pseudo headers can be matched', () => {
  const match = routeMatch(prefix('/'), { headers: [header({ name: ':method', matches: (value) => value === 'POST' })] })
  const table = routeTable({ defaultHost: virtualHost('h', [route('r', match)]) })
  assert.equal(matchRoute(table, requestView({ authority: 'h', method: 'POST' }), () => 0).found, true)
  assert.equal(matchRoute(table, requestView({ authority: 'h' }), () => 0).found, false)
})

test('query parameters are compared as they stand, the first of a name (as Envoy)', () => {
  assert.equal(queryParameter('/p?a=b%20c&a=d', 'a'), 'b%20c')
  assert.equal(queryParameter('/p?ab=1&a', 'a'), '')
  assert.equal(queryParameter('/p?a=1=2', 'a'), '1=2')
  assert.equal(queryParameter('/p?ab=1', 'a'), undefined)
  assert.equal(queryParameter('/p', 'a'), undefined)
})

test('query and fragment are no part of the path that is matched', () => {
  const table = routeTable({ defaultHost: virtualHost('h', [route('r', routeMatch({ kind: 'exact', value: '/a', ignoreCase: false }))]) })
  for (const path of ['/a', '/a?x=1', '/a#f', '/a?x#f'])
    assert.equal(matchRoute(table, requestView({ authority: 'h', path }), () => 0).found, true, path)
})

test('the first route that matches is taken; no other virtual host is tried', () => {
  const table = routeTable({
    exactHosts: new Map([['a', virtualHost('a', [route('one', routeMatch(prefix('/x'))), route('two', routeMatch(prefix('/x/y')))])]]),
    defaultHost: virtualHost('other'),
  })
  const first = matchRoute(table, requestView({ authority: 'a', path: '/x/y' }), () => 0)
  assert.ok(first.found)
  assert.deepEqual([first.route.name, first.routeIndex], ['one', 0])
  const none = matchRoute(table, requestView({ authority: 'a', path: '/z' }), () => 0)
  assert.ok(!none.found)
  assert.equal(none.reason, 'no-route')
  assert.match(describeRouteDecision(none, table, requestView({ authority: 'a', path: '/z' })), /none of the 2 routes of virtual host 'a'/)
})

test('a fraction takes its share, with one draw for all routes of a request', () => {
  const table = routeTable({
    defaultHost: virtualHost('h', [
      route('tenth', routeMatch(prefix('/'), { fractionPerMillion: 100_000 })),
      route('half', routeMatch(prefix('/'), { fractionPerMillion: 500_000 })),
      route('rest', routeMatch(prefix('/'))),
    ]),
  })
  const taken = (draw: number) => {
    let draws = 0
    const decision = matchRoute(table, requestView({ authority: 'h' }), () => {
      draws++
      return draw
    })
    assert.equal(draws, 1)
    return decision.found ? decision.route.name : decision.reason
  }
  assert.deepEqual([taken(0.05), taken(0.3), taken(0.9)], ['tenth', 'half', 'rest'])
})

test('CONNECT, which has no path, is taken by a connect matcher only', () => {
  const table = routeTable({
    defaultHost: virtualHost('h', [route('all', routeMatch(prefix('/'))), route('tunnel', routeMatch({ kind: 'connect' }))]),
  })
  const decision = matchRoute(table, requestView({ authority: 'h:443', method: 'CONNECT', path: '' }), () => 0)
  assert.equal(decision.found && decision.route.name, 'tunnel')
})

test('a host that requires TLS sends plain requests away', () => {
  const table = routeTable({ defaultHost: virtualHost('h', undefined, { requiresTls: true }) })
  const plain = matchRoute(table, requestView({ authority: 'h' }), () => 0)
  assert.equal(!plain.found && plain.reason, 'requires-tls')
  assert.equal(matchRoute(table, requestView({ authority: 'h', scheme: 'https' }), () => 0).found, true)
})
