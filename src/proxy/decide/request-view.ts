// What the deciding functions may ask of a request. The hot path's parsed head implements it without copying; `lateen explain` and
// tests build one from a plain object. Invariant: nothing here allocates until it is asked.

export interface RequestView {
  /** The Host or :authority field as received, port included. */
  readonly authority: string
  /** With query; '' for CONNECT. Normalised already where the connection manager asks for it. */
  readonly path: string
  readonly method: string
  readonly scheme: string
  /** Lower-case name; several lines of one name are joined with ','. Pseudo headers are not asked here. */
  header(lowerName: string): string | undefined
}

/** A RequestView from plain values: for explain, tests and tools, not for the hot path. */
export function requestView(request: {
  readonly authority: string
  readonly path?: string
  readonly method?: string
  readonly scheme?: string
  readonly headers?: Readonly<Record<string, string>>
}): RequestView {
  const headers = request.headers ?? {}
  return {
    authority: request.authority,
    path: request.path ?? '/',
    method: request.method ?? 'GET',
    scheme: request.scheme ?? 'http',
    header: (lowerName) => headers[lowerName],
  }
}

/** The value that a header matcher judges: Envoy lets ':method' and its like be matched as headers. */
export function headerOf(request: RequestView, name: string): string | undefined {
  if (name.charCodeAt(0) !== COLON) return name === 'host' ? request.authority : request.header(name)
  switch (name) {
    case ':method':
      return request.method
    case ':path':
      return request.path === '' ? undefined : request.path
    case ':authority':
      return request.authority
    case ':scheme':
      return request.scheme
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
