// Delegation: an entry of a VirtualService hands over to the http section of another one without hosts. Called by http-routes.ts; what comes
// out reads like entries that were written in one place.
// Invariants: one level only, so a cycle ends at once and memory is bounded; a delegate widens nothing: its matches are narrowed by the
// root's, and what fits to none of them is dropped with a Finding (Istio's rule).
import { type Finding, finding } from '../../api/finding.ts'
import type { Delegate, HTTPMatchRequest, HTTPRoute, VirtualService } from '../../api/generated/virtual-service.gen.ts'
import { keyOf } from '../../api/object-meta.ts'
import { isVisibleTo } from '../../model/visibility.ts'
import { mergeMatches } from './delegate-match.ts'
import { gatewaysOf } from './gateway-names.ts'
import { resolveHost } from './hosts.ts'
import type { RouteEntry } from './route-entry.ts'
import type { Surroundings } from './surroundings.ts'
import { visibilityOf } from './visibility.ts'

export interface CompiledEntries {
  readonly entries: readonly RouteEntry[]
  readonly findings: readonly Finding[]
}

export function isDelegate({ spec }: VirtualService): boolean {
  return (spec.hosts ?? []).length === 0
}

/** About delegates themselves, whoever hands over to them: those that nobody reaches, and entries that would hand over once more. */
export function delegateFindings(objects: readonly VirtualService[]): readonly Finding[] {
  const reached = new Set(objects.filter((object) => !isDelegate(object)).flatMap(namesOfDelegates))
  return objects.filter(isDelegate).flatMap((object) => {
    if (!reached.has(keyOf(object))) return [finding('LTN0218', object, 'spec', {})]
    return (object.spec.http ?? []).flatMap(({ delegate }, index) => {
      if (delegate === undefined) return []
      const params = { delegate: nameOf(object, delegate), problem: 'a delegate cannot hand over to another one' }
      return [finding('LTN0215', object, `spec.http[${index}].delegate`, params)]
    })
  })
}

function namesOfDelegates(object: VirtualService): readonly string[] {
  return (object.spec.http ?? []).flatMap(({ delegate }) => (delegate === undefined ? [] : [nameOf(object, delegate)]))
}

/** Without a namespace, the namer's own. */
function nameOf({ metadata }: VirtualService, { namespace, name = '' }: Delegate): string {
  return `${namespace || metadata.namespace}/${name}`
}

export function entriesOf(object: VirtualService, around: Surroundings): CompiledEntries {
  const findings: Finding[] = []
  const entries = (object.spec.http ?? []).flatMap((entry, index): readonly RouteEntry[] => {
    const root: RouteEntry = { entry, object, field: `spec.http[${index}]` }
    if (entry.delegate === undefined) return [root]
    const { entries: delegated, findings: found } = delegatedEntries(root, nameOf(object, entry.delegate), around)
    findings.push(...found)
    return delegated
  })
  return { entries, findings }
}

function delegatedEntries(root: RouteEntry, name: string, around: Surroundings): CompiledEntries {
  const { object, field } = root
  const { namespace } = object.metadata
  const refused = (problem: string): CompiledEntries => ({
    entries: [],
    findings: [finding('LTN0215', object, `${field}.delegate`, { delegate: name, problem })],
  })
  const delegate = around.virtualService(name)
  if (delegate === undefined) return refused('there is no such VirtualService')
  if (!isDelegate(delegate)) return refused('it has hosts, and only a VirtualService without hosts can be delegated to')
  if (!isVisibleTo(visibilityOf(delegate.spec.exportTo, delegate.metadata.namespace), namespace)) {
    return refused(`it is not exported to the namespace '${namespace}'`)
  }
  const findings: Finding[] = []
  const entries = (delegate.spec.http ?? []).flatMap((each, index): readonly RouteEntry[] => {
    const at = `spec.http[${index}]`
    // Without this a cycle could be written. delegateFindings says so, once however many hand over to this one.
    if (each.delegate !== undefined) return []
    const merged = mergeEntry(root, { entry: each, object: delegate, field: at }, around)
    if (merged !== undefined) return [merged]
    findings.push(finding('LTN0217', delegate, at, { root: `VirtualService ${namespace}/${object.metadata.name}`, field }))
    return []
  })
  return { entries, findings }
}

/** Undefined: no match of the delegate's fits to one of the root's. */
function mergeEntry(root: RouteEntry, delegate: RouteEntry, around: Surroundings): RouteEntry | undefined {
  const [outer, inner] = [root.entry, delegate.entry]
  const rootGateways = gatewaysOf(root.object.spec.gateways, root.object.metadata.namespace)
  const namespaces = { root: root.object.metadata.namespace, delegate: delegate.object.metadata.namespace }
  const rootMatches = (outer.match ?? []).map((match) => withGateways(match, namespaces.root))
  const ownMatches = (inner.match ?? []).map((match) => withGateways(match, namespaces.delegate))
  const pairs: { readonly match: HTTPMatchRequest; readonly at: string }[] = []
  if (rootMatches.length === 0) {
    pairs.push(...ownMatches.map((match, index) => ({ match, at: `${delegate.field}.match[${index}]` })))
  } else if (ownMatches.length === 0) {
    pairs.push(...rootMatches.map((match) => ({ match, at: delegate.field })))
  } else {
    for (const [index, own] of ownMatches.entries()) {
      for (const match of rootMatches) {
        const merged = mergeMatches(match, own, rootGateways)
        if (merged !== undefined) pairs.push({ match: merged, at: `${delegate.field}.match[${index}]` })
      }
    }
    if (pairs.length === 0) return undefined
  }
  return {
    entry: { ...inherited(outer, inner, namespaces.root, around), match: pairs.map(({ match }) => match) },
    object: delegate.object,
    field: delegate.field,
    matchFields: pairs.map(({ at }) => at),
  }
}

/** Gateways in full, so that the two objects' namespaces do not matter any more. */
function withGateways(match: HTTPMatchRequest, namespace: string): HTTPMatchRequest {
  return match.gateways === undefined || match.gateways.length === 0 ? match : { ...match, gateways: gatewaysOf(match.gateways, namespace) }
}

/** The delegate's value where it has one, else the root's; what is done (route, redirect) is the delegate's alone. */
function inherited(root: HTTPRoute, own: HTTPRoute, rootNamespace: string, around: Surroundings): HTTPRoute {
  const { delegate: _delegate, route: _route, redirect: _redirect, match: _match, name: rootName = '', ...outer } = root
  const name = [rootName, own.name ?? ''].filter((part) => part !== '').join('-')
  // Names in what the root says belong to the root's namespace.
  const mirror =
    outer.mirror === undefined ? {} : { mirror: { ...outer.mirror, host: resolveHost(outer.mirror.host, rootNamespace, around.settings) } }
  const mirrors =
    outer.mirrors === undefined
      ? {}
      : {
          mirrors: outer.mirrors.map((each) => ({
            ...each,
            destination: { ...each.destination, host: resolveHost(each.destination.host, rootNamespace, around.settings) },
          })),
        }
  return { ...outer, ...mirror, ...mirrors, ...own, ...(name === '' ? {} : { name }) }
}
