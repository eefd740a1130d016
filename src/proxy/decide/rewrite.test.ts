// Redirect locations marked 'as Envoy' were seen in an Envoy 1.40.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Redirect } from '../config/proxy-config.ts'
import { redirectLocation, redirectToTls } from './redirect.ts'
import { requestView } from './request-view.ts'
import { rewriteHost, rewritePath } from './rewrite.ts'
import { prefix, routeMatch } from './route.fixture.ts'

const plain: Redirect = {
  kind: 'redirect',
  status: 301,
  scheme: undefined,
  host: undefined,
  port: undefined,
  path: undefined,
  prefixRewrite: undefined,
  stripQuery: false,
}

for (const [redirect, authority, path, expected] of [
  [{ prefixRewrite: '/new' }, 'me.com:8080', '/red/a?q=1', 'http://me.com:8080/new/a?q=1'],
  [{ host: 'other.com', port: 8443, scheme: 'https', path: '/p' }, 'me.com:80', '/red/a?q=1', 'https://other.com:8443/p?q=1'],
  [{ scheme: 'https' }, 'me.com:80', '/red/a?q=1', 'https://me.com/red/a?q=1'],
  [{ scheme: 'https' }, 'me.com:8080', '/red/a?q=1', 'https://me.com:8080/red/a?q=1'],
  [{ port: 81, stripQuery: true }, 'me.com:80', '/red/a?q=1', 'http://me.com:81/red/a'],
  [{ path: '/p?own=1' }, 'me.com', '/red?q=1', 'http://me.com/p?own=1'],
  [{}, '[::1]:8080', '/red', 'http://[::1]:8080/red'],
] as const) {
  test(`as Envoy: ${JSON.stringify(redirect)} sends ${authority}${path} to ${expected}`, () => {
    assert.equal(redirectLocation({ ...plain, ...redirect }, routeMatch(prefix('/red')), requestView({ authority, path })), expected)
  })
}

test('a host that requires TLS sends to the same place over https', () => {
  assert.equal(redirectToTls(requestView({ authority: 'a:80', path: '/x?y' })), 'https://a/x?y')
})

for (const [match, path, expected] of [
  [prefix('/x'), '/x/y?q', '/n/y?q'],
  [{ kind: 'exact', value: '/x', ignoreCase: false }, '/x?q', '/n?q'],
  [{ kind: 'regex', value: '/x.*', matches: () => true }, '/x/y?q', '/n?q'],
  [{ kind: 'path-separated-prefix', value: '/x', ignoreCase: false }, '/x/y', '/n/y'],
  [prefix('/X', true), '/x/y', '/n/y'],
] as const) {
  test(`a prefix rewrite of ${match.kind} ${path} gives ${expected}`, () => {
    assert.equal(rewritePath({ kind: 'prefix', value: '/n' }, routeMatch(match), path), expected)
  })
}

test('a prefix with a slash rewritten to one without keeps what follows as it is', () => {
  assert.equal(rewritePath({ kind: 'prefix', value: '/' }, routeMatch(prefix('/x')), '/x/y'), '//y')
})

test('a pattern rewrites the path and never the query', () => {
  const rewrite = { kind: 'regex', rewrite: (path: string) => path.replaceAll('a', 'b') } as const
  assert.equal(rewritePath(rewrite, routeMatch(prefix('/')), '/a?a=a'), '/b?a=a')
})

test('without a rewrite the very same strings go on', () => {
  assert.equal(rewritePath(undefined, routeMatch(prefix('/')), '/a'), '/a')
  assert.equal(rewriteHost(undefined, 'a', 'e'), 'a')
  assert.equal(rewriteHost({ kind: 'literal', value: 'l' }, 'a', 'e'), 'l')
  assert.equal(rewriteHost({ kind: 'auto' }, 'a', 'e'), 'e')
})
