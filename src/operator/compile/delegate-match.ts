// Whether a match of a delegate fits into a match of its root, and the two as one. Called by delegates.ts for every pair.
// Invariant (Istio's conflict rules): what comes out matches no request that the root's match does not.
import type { HTTPMatchRequest, StringMatch } from '../../api/generated/virtual-service.gen.ts'

/** Undefined: they conflict. @param rootGateways of the root object, in full. */
export function mergeMatches(root: HTTPMatchRequest, own: HTTPMatchRequest, rootGateways: readonly string[]): HTTPMatchRequest | undefined {
  if (conflicts(root, own, rootGateways)) return undefined
  const { gateways: _gateways, ...outer } = root
  const name = [root.name ?? '', own.name ?? ''].filter((part) => part !== '').join('-')
  const gateways = nonEmpty(own.gateways) ?? nonEmpty(root.gateways)
  return {
    ...outer,
    ...own,
    ...strings(root, own),
    ...(name === '' ? {} : { name }),
    ...(gateways === undefined ? {} : { gateways }),
    ...matchUnion('headers', root.headers, own.headers),
    ...matchUnion('withoutHeaders', root.withoutHeaders, own.withoutHeaders),
    ...matchUnion('queryParams', root.queryParams, own.queryParams),
    ...union('sourceLabels', root.sourceLabels, own.sourceLabels),
  }
}

function nonEmpty(list: readonly string[] | undefined): readonly string[] | undefined {
  return list === undefined || list.length === 0 ? undefined : list
}

function union<K extends string, V>(
  key: K,
  root: Readonly<Record<string, V>> | undefined,
  own: Readonly<Record<string, V>> | undefined,
): { readonly [P in K]?: Readonly<Record<string, V>> } {
  if (root === undefined && own === undefined) return {}
  const joined: { [P in K]?: Readonly<Record<string, V>> } = {}
  joined[key] = { ...root, ...own }
  return joined
}

/** An empty match of the delegate's asks for less than the root's, so the root's stays. */
function matchUnion<K extends string>(
  key: K,
  root: Readonly<Record<string, StringMatch>> | undefined,
  own: Readonly<Record<string, StringMatch>> | undefined,
): { readonly [P in K]?: Readonly<Record<string, StringMatch>> } {
  const asked = Object.entries(own ?? {}).filter(([name, match]) => !isUnset(match) || root?.[name] === undefined)
  return union(key, root, own === undefined ? undefined : Object.fromEntries(asked))
}

const STRINGS = ['uri', 'scheme', 'method', 'authority'] as const

function strings(root: HTTPMatchRequest, own: HTTPMatchRequest): Pick<HTTPMatchRequest, (typeof STRINGS)[number]> {
  return Object.fromEntries(
    STRINGS.flatMap((key) => {
      const match = isUnset(own[key]) ? (root[key] ?? own[key]) : own[key]
      return match === undefined ? [] : [[key, match] as const]
    }),
  )
}

function conflicts(root: HTTPMatchRequest, own: HTTPMatchRequest, rootGateways: readonly string[]): boolean {
  if ((root.ignoreUriCase ?? false) !== (own.ignoreUriCase ?? false)) return true
  const isDifferent = [
    [root.uri, own.uri],
    [root.scheme, own.scheme],
    [root.method, own.method],
    [root.authority, own.authority],
  ].some(([outer, inner]) => stringConflicts(outer, inner))
  if (isDifferent) return true
  const maps = ['headers', 'withoutHeaders', 'queryParams'] as const
  if (maps.some((key) => mapConflicts(root[key], own[key]))) return true
  if ((root.port ?? 0) !== 0 && (own.port ?? 0) !== 0 && root.port !== own.port) return true
  // An unset one of the delegate's counts as another: it would be for clients of every namespace.
  if ((root.sourceNamespace ?? '') !== '' && root.sourceNamespace !== own.sourceNamespace) return true
  if (Object.entries(root.sourceLabels ?? {}).some(([key, value]) => (own.sourceLabels?.[key] ?? value) !== value)) return true
  const outer = nonEmpty(root.gateways) ?? rootGateways
  return (nonEmpty(own.gateways) ?? outer).some((gateway) => !outer.includes(gateway))
}

function mapConflicts(root: Readonly<Record<string, StringMatch>> = {}, own: Readonly<Record<string, StringMatch>> = {}): boolean {
  return Object.entries(root).some(([key, match]) => stringConflicts(match, own[key]))
}

/** Unset on either side never conflicts. */
function stringConflicts(root: StringMatch | undefined, own: StringMatch | undefined): boolean {
  if (isUnset(root) || isUnset(own)) return false
  if (root?.regex !== undefined || own?.regex !== undefined) return true
  if (root?.exact !== undefined) return own?.exact !== root.exact
  return !(own?.exact ?? own?.prefix ?? '').startsWith(root?.prefix ?? '')
}

function isUnset(match: StringMatch | undefined): boolean {
  return match === undefined || (match.exact === undefined && match.prefix === undefined && match.regex === undefined)
}
