// What the schema cannot say of an EnvoyFilter: a patch must be able to find what it patches, and its operation must exist there.
import type { RegexCompiler } from '../../base/string-matcher.ts'
import type { CheckOptions } from '../check-options.ts'
import type { FieldPath } from '../field-path.ts'
import type { EnvoyConfigObjectMatch, EnvoyConfigObjectPatch, EnvoyFilter, FilterMatch, Patch } from '../generated/envoy-filter.gen.ts'
import type { Report } from '../report.ts'
import { checkLabels, checkRegex } from './matches.ts'
import { checkTargets } from './targets.ts'

type ApplyTo = NonNullable<EnvoyConfigObjectPatch['applyTo']>
type Operation = NonNullable<Patch['operation']>

export function checkEnvoyFilter({ spec }: EnvoyFilter, report: Report, options: CheckOptions): void {
  const labels = spec.workloadSelector?.labels
  checkLabels(labels, ['spec', 'workloadSelector', 'labels'], report)
  if (spec.workloadSelector !== undefined && Object.keys(labels ?? {}).length === 0)
    report('LTN0146', ['spec', 'workloadSelector'], {}, 'key')
  checkTargets(spec, ['spec'], report)
  spec.configPatches?.forEach((patch, index) => {
    checkPatch(patch, spec.priority ?? 0, ['spec', 'configPatches', index], report, options.compileRegex)
  })
}

function checkPatch(
  { applyTo = 'INVALID', match, patch }: EnvoyConfigObjectPatch,
  priority: number,
  path: FieldPath,
  report: Report,
  compileRegex: RegexCompiler | undefined,
): void {
  if (applyTo === 'INVALID') report('LTN0136', path, { what: 'a patch', needed: 'applyTo' }, 'key')
  if (applyTo === 'BOOTSTRAP')
    report('LTN0143', [...path, 'applyTo'], { field: 'BOOTSTRAP', instead: 'ProxyConfig, or a bootstrap of your own' })
  const pattern = match?.proxy?.proxyVersion
  if (pattern !== undefined && pattern !== '') checkRegex(pattern, [...path, 'match', 'proxy', 'proxyVersion'], report, compileRegex)
  // Waypoints have a form of match of their own, which is not looked into.
  if (match?.context !== 'WAYPOINT' && applyTo !== 'INVALID') checkMatch(applyTo, match, [...path, 'match'], report)
  const operation = patch?.operation ?? 'INVALID'
  if (operation === 'INVALID') {
    report('LTN0136', [...path, 'patch'], { what: 'a patch', needed: 'operation' }, 'key')
    return
  }
  if (operation !== 'REMOVE' && patch?.value === undefined) {
    report('LTN0136', [...path, 'patch'], { what: `operation ${operation}`, needed: 'value' }, 'key')
  }
  checkOperation(applyTo, operation, priority, pattern !== undefined, [...path, 'patch', 'operation'], report)
}

const MATCHED_BY: Readonly<Record<ApplyTo, 'listener' | 'routeConfiguration' | 'cluster' | undefined>> = {
  INVALID: undefined,
  LISTENER: 'listener',
  FILTER_CHAIN: 'listener',
  NETWORK_FILTER: 'listener',
  HTTP_FILTER: 'listener',
  LISTENER_FILTER: 'listener',
  ROUTE_CONFIGURATION: 'routeConfiguration',
  VIRTUAL_HOST: 'routeConfiguration',
  HTTP_ROUTE: 'routeConfiguration',
  CLUSTER: 'cluster',
  EXTENSION_CONFIG: undefined,
  BOOTSTRAP: undefined,
}

function checkMatch(applyTo: ApplyTo, match: EnvoyConfigObjectMatch | undefined, path: FieldPath, report: Report): void {
  const fitting = MATCHED_BY[applyTo]
  for (const field of ['listener', 'routeConfiguration', 'cluster'] as const) {
    if (fitting === undefined || match?.[field] === undefined || field === fitting) continue
    report('LTN0135', [...path, field], { first: `match.${field}`, second: `applyTo ${applyTo}` }, 'key')
  }
  const filter = match?.listener?.filterChain?.filter
  if (filter !== undefined && fitting === 'listener') checkFilter(applyTo, filter, [...path, 'listener', 'filterChain', 'filter'], report)
}

/** Both names that Envoy has had for it. */
const CONNECTION_MANAGERS = ['envoy.filters.network.http_connection_manager', 'envoy.http_connection_manager']

function checkFilter(applyTo: ApplyTo, { name = '', subFilter }: FilterMatch, path: FieldPath, report: Report): void {
  if (applyTo === 'LISTENER' || applyTo === 'FILTER_CHAIN') {
    report('LTN0147', path, { field: 'filter', reason: `a patch of a ${applyTo} is not placed among its filters` }, 'key')
  }
  if (name === '') report('LTN0136', path, { what: 'a match of a filter', needed: 'name' }, 'key')
  if (subFilter === undefined) return
  const at = [...path, 'subFilter']
  if (applyTo !== 'HTTP_FILTER') report('LTN0135', at, { first: 'subFilter', second: `applyTo ${applyTo}` }, 'key')
  else if (!CONNECTION_MANAGERS.includes(name)) report('LTN0135', at, { first: 'subFilter', second: `the filter ${name}` }, 'key')
  if ((subFilter.name ?? '') === '') report('LTN0136', at, { what: 'a match of a subFilter', needed: 'name' }, 'key')
}

/** In which order filters meet is the author's business when a patch is placed by another one. */
const RELATIVE: readonly Operation[] = ['INSERT_BEFORE', 'INSERT_AFTER', 'REPLACE', 'REMOVE']

function checkOperation(applyTo: ApplyTo, operation: Operation, priority: number, pinned: boolean, path: FieldPath, report: Report): void {
  const isRoute = applyTo === 'ROUTE_CONFIGURATION' || applyTo === 'HTTP_ROUTE'
  const isFilter = applyTo === 'HTTP_FILTER' || applyTo === 'NETWORK_FILTER'
  const ignored =
    operation === 'REPLACE' ? !isFilter : (operation === 'ADD' && isRoute) || (operation === 'REMOVE' && applyTo === 'ROUTE_CONFIGURATION')
  if (ignored) report('LTN0151', path, { operation, applyTo })
  else if (RELATIVE.includes(operation) && priority === 0) {
    report('LTN0152', path, { operation, why: pinned ? ' and is pinned to a version of the proxy' : '' })
  }
}
