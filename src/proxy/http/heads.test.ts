// What the proxy changes in heads on their way, and what it lets nobody claim.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../base/fake-clock.ts'
import type { HttpConnectionManager } from '../config/proxy-config.ts'
import { FIELD } from '../http1/fields.ts'
import { MessageHead } from '../http1/head.ts'
import { parseRequestHead } from '../http1/parse-head.ts'
import { clientCertElement, clientCertPolicy } from './client-cert-line.ts'
import { DateLine } from './date-line.ts'
import { IncomingRequest } from './incoming-request.ts'
import { normalizePath } from './normalize-path.ts'
import { decodePeerMetadata, encodePeerMetadata } from './peer-metadata.ts'
import { requestHead } from './request-head.ts'
import { RequestIds } from './request-ids.ts'
import { parseTarget } from './request-target.ts'

const MANAGER: Pick<HttpConnectionManager, 'useRemoteAddress' | 'xffNumTrustedHops'> = { useRemoteAddress: false, xffNumTrustedHops: 0 }

interface Overrides {
  readonly edge?: boolean
  readonly remove?: readonly string[]
}

function forwarded(lines: string, overrides: Overrides = {}): string {
  return forward(lines, overrides).lines
}

function forward(lines: string, overrides: Overrides): { readonly lines: string; readonly request: IncomingRequest } {
  const head = new MessageHead()
  assert.equal(parseRequestHead(head, `GET /p HTTP/1.1\r\nHost: h\r\n${lines}`, 100), undefined)
  const request = new IncomingRequest(head)
  request.method = 'GET'
  request.path = '/p'
  request.authority = 'h'
  request.keepsRequestId = head.has(FIELD.requestId)
  const text = requestHead({
    // The head asks the manager for these two only.
    manager: { ...MANAGER, useRemoteAddress: overrides.edge ?? false } as HttpConnectionManager,
    request,
    path: '/p',
    rewritesPath: false,
    host: undefined,
    rewritesHost: false,
    attempt: 0,
    timeoutMs: undefined,
    extraLines: '',
    keepsClientCert: false,
    clientCertLine: '',
    externalAddress: undefined,
    mutations: overrides.remove === undefined ? undefined : { levels: [{ remove: overrides.remove, set: [] }] },
    expand: (template) => template,
  })
  assert.ok(text.startsWith('GET /p HTTP/1.1\r\nHost: h\r\n') && text.endsWith('\r\n\r\n'))
  return { lines: text.slice('GET /p HTTP/1.1\r\nHost: h\r\n'.length, -2).replace('x-forwarded-proto: http\r\n', ''), request }
}

test('what %REQ()% says of a request does not change with the requests behind it', () => {
  const { request } = forward('x-request-id: theirs\r\nx-forwarded-client-cert: forged\r\n', { remove: ['x-gone'] })
  forward('A: b\r\n', { edge: true })
  assert.equal(request.get('x-request-id'), 'theirs')
  assert.equal(request.get('x-forwarded-client-cert'), undefined)
})

test('%REQ()% of a repeated field is its first line, of one that Envoy knows all of them', () => {
  for (const remove of [undefined, ['x-gone']]) {
    const { request } = forward('x-a: 1\r\nuser-agent: a\r\nx-a: 2\r\nuser-agent: b\r\n', remove === undefined ? {} : { remove })
    assert.equal(request.firstLine('x-a'), '1')
    assert.equal(request.get('x-a'), '1,2')
    assert.equal(request.firstLine('user-agent'), 'a,b')
    assert.equal(request.firstLine('x-none'), undefined)
  }
})

test('ordinary fields travel as the text they came as', () => {
  const lines = 'Accept:  */* \r\nx-Odd-CASE: a:b\r\nCookie: a\r\nCookie: b\r\n'
  assert.equal(forwarded(lines), lines)
})

test("Envoy's control fields from outside are dropped, unknown x-envoy fields are not", () => {
  assert.equal(forwarded('x-envoy-retry-on: 5xx\r\nA: b\r\nX-Envoy-Internal: true\r\nx-envoy-mine: 1\r\n'), 'A: b\r\nx-envoy-mine: 1\r\n')
  assert.equal(forwarded('x-envoy-decorator-operation: x\r\n'), 'x-envoy-decorator-operation: x\r\n')
  assert.equal(forwarded('x-envoy-decorator-operation: x\r\nx-envoy-original-path: /x\r\n', { edge: true }), '')
})

test('peer metadata and client certificates of strangers end here', () => {
  assert.equal(
    forwarded('x-envoy-peer-metadata: a\r\nx-envoy-peer-metadata-id: b\r\nX-Forwarded-Client-Cert: URI=x\r\nA: b\r\n'),
    'A: b\r\n',
  )
})

test('TE survives only as trailers', () => {
  assert.equal(forwarded('TE: trailers\r\n'), 'TE: trailers\r\n')
  assert.equal(forwarded('TE: trailers, deflate;q=0.5\r\n'), 'te: trailers\r\n')
  assert.equal(forwarded('TE: deflate\r\nTE: trailers\r\n'), 'te: trailers\r\n')
  assert.equal(forwarded('TE: deflate\r\n'), '')
  assert.equal(forwarded('TE:\r\n'), 'TE:\r\n')
})

test('fields are removed by name, whatever their case', () => {
  assert.equal(forwarded('X-Gone: 1\r\nA: b\r\nx-gone: 2\r\n', { remove: ['x-gone'] }), 'A: b\r\n')
})

test('request targets: origin, absolute, asterisk, authority; nothing else', () => {
  assert.deepEqual(parseTarget('GET', '/a?b'), { authority: undefined, path: '/a?b' })
  assert.deepEqual(parseTarget('GET', 'HTTP://h:80?q'), { authority: 'h:80', path: '/?q' })
  assert.deepEqual(parseTarget('GET', 'http://h'), { authority: 'h', path: '/' })
  assert.deepEqual(parseTarget('OPTIONS', '*'), { authority: undefined, path: '*' })
  assert.deepEqual(parseTarget('CONNECT', 'h:443'), { authority: 'h:443', path: '' })
  for (const [method, target] of [
    ['GET', '*'],
    ['GET', 'ftp://h/'],
    ['GET', 'http:///x'],
    ['GET', 'http://u@h/'],
    ['GET', '/a#b'],
    ['GET', 'h:80'],
    ['CONNECT', 'h'],
    ['CONNECT', '/x'],
  ] as const) {
    assert.equal(parseTarget(method, target), undefined, `${method} ${target}`)
  }
})

test('paths are made canonical, the query is left alone', () => {
  for (const [from, to] of [
    ['/a/../b', '/b'],
    ['/a/%2e%2E/b?x=/../y', '/b?x=/../y'],
    ['/../../x', '/x'],
    ['/a/./b/', '/a/b/'],
    ['/a/b/..', '/a/'],
    ['/a\\..\\b', '/b'],
    ['/a/...', '/a/...'],
    ['/.hidden', '/.hidden'],
  ] as const) {
    assert.equal(normalizePath(from, true, false), to, from)
  }
  assert.equal(normalizePath('//a///b?c=//', true, true), '/a/b?c=//')
  assert.equal(normalizePath('/a/../b', false, false), '/a/../b')
})

test('x-forwarded-client-cert is believed only from a verified peer', () => {
  assert.deepEqual(clientCertPolicy('append-forward', false), { keeps: false, adds: 'nothing' })
  assert.deepEqual(clientCertPolicy('append-forward', true), { keeps: false, adds: 'append' })
  assert.deepEqual(clientCertPolicy('sanitize-set', true), { keeps: false, adds: 'replace' })
  assert.deepEqual(clientCertPolicy('forward-only', false), { keeps: false, adds: 'nothing' })
  assert.deepEqual(clientCertPolicy('always-forward-only', false), { keeps: true, adds: 'nothing' })
  const peer = { uris: ['spiffe://c'], dns: ['d'], ips: [], emails: [], subject: 'O="x"', hash: 'ab', notAfterMs: 0 }
  const details = { mode: 'sanitize-set', subject: true, uri: true, dns: true } as const
  assert.equal(clientCertElement(details, peer, 'spiffe://s'), 'By=spiffe://s;Hash=ab;Subject="O=\\"x\\"";URI=spiffe://c;DNS=d')
})

test('peer metadata survives the wire, nonsense is no metadata', () => {
  const labels = { workload: 'w', namespace: 'n', app: 'a', version: 'v', canonicalName: 'c', canonicalRevision: 'r', cluster: 'k' }
  assert.deepEqual(decodePeerMetadata(encodePeerMetadata(labels)), labels)
  assert.equal(decodePeerMetadata('////'), undefined)
})

test('request ids are version 4 UUIDs and differ', () => {
  const ids = new RequestIds()
  const made = new Set(Array.from({ length: 1000 }, () => ids.next()))
  assert.equal(made.size, 1000)
  for (const id of made) assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
})

test('the date line changes with the second', () => {
  const clock = new FakeClock(Date.UTC(2026, 0, 2, 3, 4, 5, 999))
  const line = new DateLine(clock)
  assert.equal(line.get(), 'date: Fri, 02 Jan 2026 03:04:05 GMT\r\n')
  clock.advance(1)
  assert.equal(line.get(), 'date: Fri, 02 Jan 2026 03:04:06 GMT\r\n')
})
