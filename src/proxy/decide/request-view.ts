// What the deciding functions may ask of a request. The hot path's parsed head implements it without copying; `lateen explain` and
// tests build one from a plain object. Invariant: nothing here allocates until it is asked.

export type HeaderTest = (value: string) => boolean

export interface RequestView {
  /** The Host or :authority field as received, port included. */
  readonly authority: string
  /** With query; '' for CONNECT. Normalised already where the connection manager asks for it. */
  readonly path: string
  readonly method: string
  readonly scheme: string
  /** Whether any line of that lower-case name passes; undefined when there is none. Each line is judged apart, as Envoy does since 1.37:
   *  joined with ',' a second line would hide the first from an exact match. Pseudo headers are not asked here. */
  testHeader(lowerName: string, test: HeaderTest): boolean | undefined
}

/** A RequestView from plain values: for explain, tests and tools, not for the hot path. */
export function requestView(request: {
  readonly authority: string
  readonly path?: string
  readonly method?: string
  readonly scheme?: string
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
}): RequestView {
  const headers = request.headers ?? {}
  return {
    authority: request.authority,
    path: request.path ?? '/',
    method: request.method ?? 'GET',
    scheme: request.scheme ?? 'http',
    testHeader: (lowerName, test) => testValues(headers[lowerName], test),
  }
}

/** The rule of testHeader for plain values. */
export function testValues(values: string | readonly string[] | undefined, test: HeaderTest): boolean | undefined {
  if (values === undefined) return undefined
  return typeof values === 'string' ? test(values) : values.some(test)
}

/** testHeader for every name that a matcher may have: Envoy lets ':method' and its like be matched as headers. */
export function testHeaderOf(request: RequestView, name: string, test: HeaderTest): boolean | undefined {
  if (name.charCodeAt(0) !== COLON) return name === 'host' ? test(request.authority) : request.testHeader(name, test)
  switch (name) {
    case ':method':
      return test(request.method)
    case ':path':
      return request.path === '' ? undefined : test(request.path)
    case ':authority':
      return test(request.authority)
    case ':scheme':
      return test(request.scheme)
    default:
      return undefined
  }
}

const COLON = 58

/** Routes and policies judge the path alone (Envoy: removeQueryAndFragment). */
export function pathWithoutQuery(path: string): string {
  const end = pathEnd(path)
  return end === path.length ? path : path.slice(0, end)
}

/** Where the path ends: at '?', at '#' or at the end. */
export function pathEnd(path: string): number {
  const query = path.indexOf('?')
  const fragment = path.indexOf('#')
  if (query < 0) return fragment < 0 ? path.length : fragment
  return fragment < 0 ? query : Math.min(query, fragment)
}
