// The words that generated tables and requests share, so that a request often hits a match and nearly hits another.

export const PREFIXES: readonly string[] = [
  '/a',
  '/a/',
  '/a/b',
  '/A/B',
  '/api',
  '/api/v1',
  '/v1',
  '/say hello'.replace(' ', '%20'),
  '/a%2fb',
  '/a//b',
  '/index.html',
  '/ab',
]
export const PATH_TAILS: readonly string[] = [
  '',
  '',
  '',
  '/',
  '/b',
  'b',
  '/../a',
  '/./b',
  '//b',
  '/%2e%2e/a',
  '%2Fb',
  '%5cb',
  '/c;p=1',
  '/%41',
  '/caf%C3%A9',
  '/x.html',
  '/..',
  '/.',
  '/%7eme',
  '/a b'.replace(' ', '+'),
  '\\b',
  "/'quoted'",
  '/%',
  '/|',
  '/"',
  '/[x]',
  '/{x}',
  '/^',
  '/<x>',
]
export const QUERIES: readonly string[] = [
  '',
  '',
  '',
  '',
  '?q=v1',
  '?q',
  '?q=',
  '?v=v2&q=v1',
  '?q=v1&q=v2',
  '?Q=v1',
  '?q=%76%31',
  '?x=/../a//b',
  '?',
  '?a=b?c=d',
  '?q=a%20b',
  '?&&q=v1',
]
export const QUERY_NAMES: readonly string[] = ['q', 'v', 'x']
export const VALUES: readonly string[] = ['v1', 'v2', 'abc', 'ABC', '', '5', 'text/html', 'one.test', '/a', 'http', 'a, b', 'gzip']

export const MATCHED_HEADERS: readonly string[] = [
  'x-a',
  'x-b',
  'x-c',
  ':method',
  ':authority',
  ':path',
  'user-agent',
  'content-type',
  'cookie',
  'host',
  'x-forwarded-proto',
  'content-length',
  ':scheme',
  'te',
  'connection',
  'x-envoy-original-path',
]

interface RegexSample {
  readonly regex: string
  readonly sample: string
  readonly rewrite: { readonly pattern: { readonly regex: string }; readonly substitution: string }
}

const rewriteOf = (regex: string, substitution: string): RegexSample['rewrite'] => ({ pattern: { regex }, substitution })

export const REGEXES: readonly RegexSample[] = [
  { regex: '/v[0-9]+/.*', sample: '/v12/x', rewrite: rewriteOf('^/v([0-9]+)/(.*)$', '/\\2/\\1') },
  { regex: '/(a|b)/[^/]+', sample: '/a/foo', rewrite: rewriteOf('/a', '/z') },
  { regex: '.*\\.html', sample: '/x/y.html', rewrite: rewriteOf('\\.html$', '.php') },
  { regex: '/a.*', sample: '/abc', rewrite: rewriteOf('b', '') },
  { regex: '(?i)/api/.*', sample: '/API/v1', rewrite: rewriteOf('(?i)^/api', '/x\\0') },
  { regex: '/.*', sample: '/any', rewrite: rewriteOf('^/([^/]*)', '/first-\\1') },
]

export const REWRITES: readonly string[] = ['/', '/new', '/new/', '/a', '/deep/er/path']

export const MUTATED_REQUEST: readonly string[] = [
  'x-a',
  'x-b',
  'x-new',
  'x-new',
  'user-agent',
  'cookie',
  'X-Upper',
  'x-forwarded-proto',
  'x-request-id',
  'accept',
  'x-envoy-original-path',
  'via',
  'x-forwarded-for',
]
export const MUTATED_RESPONSE: readonly string[] = [
  'x-out',
  'x-new',
  'x-new',
  'server',
  'date',
  'content-type',
  'set-cookie',
  'X-Upper',
  'cache-control',
  'x-request-id',
  'location',
  'via',
  'x-envoy-upstream-service-time',
]

export const HEADER_VALUES: readonly string[] = [
  'plain',
  'two words',
  '',
  '100%%',
  '%REQ(x-a)%',
  '%REQ(x-none?x-b)%',
  '%REQ(x-none)%',
  'is %REQ(:path)% at %REQ(:authority)%',
  '%PROTOCOL%',
  '%REQ(:METHOD)%',
  '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%',
  '%UPSTREAM_CLUSTER%',
  '%ROUTE_NAME%',
  '%RESPONSE_CODE%',
]
