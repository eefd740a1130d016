// Header operations of a route or of a destination. Called by http-action.ts.
// Invariants: what a proxy would refuse never leaves here (it would cost a whole route table); setting the authority is a rewrite of the
// host, as in Istio, because proxies own that header.
import type { Headers, HeaderOperations as Written } from '../../api/generated/virtual-service.gen.ts'
import type { HeaderChanges, HeaderOperations } from '../../model/http-action.ts'
import { compareText } from './mesh-draft.ts'

export interface CompiledHeaders {
  readonly changes: HeaderChanges | undefined
  readonly authority: string | undefined
  /** Places (below `headers`) and reasons of operations that no proxy can do. */
  readonly problems: readonly { readonly path: string; readonly problem: string }[]
}

/** RFC 9110 5.1. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9a-z-]+$/

const NOTHING: HeaderOperations = { write: [], remove: [] }

export function headerChanges(headers: Headers | undefined): CompiledHeaders {
  if (headers === undefined) return { changes: undefined, authority: undefined, problems: [] }
  const problems: { path: string; problem: string }[] = []
  const operations = (side: 'request' | 'response'): HeaderOperations => {
    const written = headers[side]
    if (written === undefined) return NOTHING
    return {
      write: [...writes(written.set, false, `${side}.set`, problems), ...writes(written.add, true, `${side}.add`, problems)],
      remove: removals(written, `${side}.remove`, problems),
    }
  }
  const [request, response] = [operations('request'), operations('response')]
  const isEmpty = [request, response].every(({ write, remove }) => write.length + remove.length === 0)
  return { changes: isEmpty ? undefined : { request, response }, authority: authorityOf(headers.request), problems }
}

type Problems = { path: string; problem: string }[]

function writes(
  values: Readonly<Record<string, string>> | undefined,
  append: boolean,
  path: string,
  problems: Problems,
): HeaderOperations['write'] {
  return Object.entries(values ?? {})
    .map(([name, value]) => ({ name: name.toLowerCase(), value, append }))
    .sort((a, b) => compareText(a.name, b.name))
    .filter(({ name, value }) => {
      if (path.startsWith('request.') && isAuthority(name)) return false
      const problem = TOKEN.test(name) && name !== 'host' ? valueProblem(value) : `'${name}' is not a header that may be written`
      if (problem !== undefined) problems.push({ path: `${path}.${name}`, problem })
      return problem === undefined
    })
}

function removals({ remove = [] }: Written, path: string, problems: Problems): readonly string[] {
  return remove.flatMap((written, index) => {
    const name = written.toLowerCase()
    if (TOKEN.test(name) && name !== 'host') return [name]
    problems.push({ path: `${path}[${index}]`, problem: `'${name}' is not a header that may be removed` })
    return []
  })
}

function authorityOf(request: Written | undefined): string | undefined {
  const all = [...Object.entries(request?.set ?? {}), ...Object.entries(request?.add ?? {})]
  return all.find(([name, value]) => isAuthority(name.toLowerCase()) && isHostValue(value))?.[1]
}

function isAuthority(name: string): boolean {
  return name === ':authority' || name === 'host'
}

/** What may stand in a Host header; format operators are not expanded there. */
export function isHostValue(value: string): boolean {
  return /^[A-Za-z0-9._~:[\]-]+$/.test(value)
}

/** Envoy's format operators that every proxy of the mesh expands in a header. */
const OPERATORS: ReadonlySet<string> = new Set([
  ...['PROTOCOL', 'RESPONSE_CODE', 'RESPONSE_FLAGS', 'RESPONSE_CODE_DETAILS', 'BYTES_RECEIVED', 'BYTES_SENT', 'DURATION'],
  ...['UPSTREAM_HOST', 'UPSTREAM_REMOTE_ADDRESS', 'UPSTREAM_CLUSTER', 'UPSTREAM_LOCAL_ADDRESS', 'REQUESTED_SERVER_NAME', 'ROUTE_NAME'],
  ...['DOWNSTREAM_LOCAL_ADDRESS', 'DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT', 'DOWNSTREAM_LOCAL_PORT', 'DOWNSTREAM_REMOTE_ADDRESS'],
  ...['DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT', 'DOWNSTREAM_DIRECT_REMOTE_ADDRESS', 'DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT'],
  ...['DOWNSTREAM_PEER_URI_SAN', 'DOWNSTREAM_LOCAL_URI_SAN', 'VIRTUAL_HOST_NAME'],
])
const FIELD_OPERATORS: ReadonlySet<string> = new Set(['REQ', 'RESP'])

/** Undefined: fine. */
function valueProblem(value: string): string | undefined {
  // Printable, and tabs: a line break would end the header.
  if (/[^\t\x20-\x7e\x80-\u{10ffff}]/u.test(value)) return 'the value has control characters'
  for (const [whole, name, argument] of value.matchAll(/%(?:%|([A-Z_]+)(?:\(([^()%]*)\))?(?::\d{1,4})?%|)/g)) {
    if (whole === '%%') continue
    if (name === undefined) return "a '%' begins no format operator (a plain percent sign is '%%')"
    const known =
      argument === undefined ? OPERATORS.has(name) : FIELD_OPERATORS.has(name) && /^:?[A-Za-z0-9-]+(\?[A-Za-z0-9-]+)?$/.test(argument)
    if (!known) return `the operator '${whole}' is not in force in this version`
  }
  return undefined
}
