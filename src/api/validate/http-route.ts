// One http route of a VirtualService: its matches, what it does, and what cannot be done together.
import type { CheckOptions } from '../check-options.ts'
import type { FieldPath } from '../field-path.ts'
import type { HTTPMatchRequest, HTTPRoute } from '../generated/virtual-service.gen.ts'
import type { Report } from '../report.ts'
import { checkCors, checkDirectResponse, checkFault, checkRedirect, checkRetries, checkRewrite } from './http-actions.ts'
import { checkHeaders } from './http-headers.ts'
import { checkClient, checkDestination, checkRouteDestinations } from './l4-route.ts'
import { checkHeaderName, checkPercentage, checkStringMatch } from './matches.ts'

export interface RouteContext {
  readonly isDelegate: boolean
  readonly forGateways: boolean
}

export function checkHttpRoute(route: HTTPRoute, context: RouteContext, path: FieldPath, report: Report, options: CheckOptions): void {
  checkAction(route, context, path, report)
  route.match?.forEach((match, index) => void checkHttpMatch(match, context, [...path, 'match', index], report, options))
  checkRouteDestinations(route.route ?? [], [...path, 'route'], report)
  route.route?.forEach(({ headers }, index) => void checkHeaders(headers, [...path, 'route', index, 'headers'], report))
  checkHeaders(route.headers, [...path, 'headers'], report)
  checkMirrors(route, path, report)
  if (route.redirect !== undefined) checkRedirect(route.redirect, route.match ?? [], [...path, 'redirect'], report)
  if (route.directResponse !== undefined) checkDirectResponse(route.directResponse, [...path, 'directResponse'], report)
  if (route.rewrite !== undefined) checkRewrite(route.rewrite, [...path, 'rewrite'], report, options)
  if (route.retries !== undefined) checkRetries(route.retries, [...path, 'retries'], report)
  if (route.fault !== undefined) checkFault(route.fault, [...path, 'fault'], report)
  if (route.corsPolicy !== undefined) checkCors(route.corsPolicy, [...path, 'corsPolicy'], report, options)
}

/** Field -> what cannot stand beside it. */
const EXCLUSIONS: readonly (readonly [keyof HTTPRoute, readonly (keyof HTTPRoute)[]])[] = [
  ['redirect', ['route', 'fault', 'rewrite', 'directResponse']],
  ['directResponse', ['route', 'fault', 'rewrite']],
  ['delegate', ['route', 'redirect', 'directResponse']],
  ['mirrors', ['mirror']],
]

function checkAction(route: HTTPRoute, context: RouteContext, path: FieldPath, report: Report): void {
  for (const [first, others] of EXCLUSIONS) {
    if (!isSet(route[first])) continue
    for (const second of others) if (isSet(route[second])) report('LTN0135', [...path, second], { first: second, second: first }, 'key')
  }
  if (context.isDelegate && route.delegate !== undefined) {
    report('LTN0135', [...path, 'delegate'], { first: 'delegate', second: 'an empty list of hosts (a delegate cannot delegate)' }, 'key')
  }
  const acts = [route.route, route.redirect, route.directResponse, route.delegate].some(isSet)
  if (!acts) report('LTN0136', path, { what: 'an http route', needed: 'route, redirect, directResponse or delegate' }, 'key')
}

function isSet(value: unknown): boolean {
  return value !== undefined && !(Array.isArray(value) && value.length === 0)
}

/** Keys of header matches that Istio reads from other fields and ignores here. */
const IGNORED_HEADERS = ['uri', 'scheme', 'method', 'authority']

function checkHttpMatch(match: HTTPMatchRequest, context: RouteContext, path: FieldPath, report: Report, options: CheckOptions): void {
  const { compileRegex } = options
  checkStringMatch(match.uri, [...path, 'uri'], report, { compileRegex, emptyPrefix: true })
  for (const field of ['scheme', 'method', 'authority'] as const) checkStringMatch(match[field], [...path, field], report, { compileRegex })
  for (const field of ['headers', 'withoutHeaders'] as const) {
    for (const [name, value] of Object.entries(match[field] ?? {})) {
      const at = [...path, field, name]
      if (IGNORED_HEADERS.includes(name))
        report('LTN0147', at, { field: `the header match '${name}'`, reason: `use the field ${name}` }, 'key')
      if (name.startsWith('@request.auth.')) checkClaimMatch(name, context, at, report)
      else checkHeaderName(name.replace(/^:/, ''), at, report)
      checkStringMatch(value, at, report, { compileRegex, starRegex: true })
    }
  }
  for (const [name, value] of Object.entries(match.queryParams ?? {})) {
    checkStringMatch(value, [...path, 'queryParams', name], report, { compileRegex, starRegex: true })
  }
  checkClient(match, path, report)
}

/** Only a gateway has checked the token by the time it routes. */
function checkClaimMatch(name: string, context: RouteContext, path: FieldPath, report: Report): void {
  if (!context.forGateways) report('LTN0136', path, { what: `the match on ${name}`, needed: 'a gateway in gateways' }, 'key')
}

function checkMirrors(route: HTTPRoute, path: FieldPath, report: Report): void {
  if (route.mirror !== undefined) checkDestination(route.mirror, [...path, 'mirror'], report)
  checkPercentage(route.mirrorPercentage, [...path, 'mirrorPercentage'], report)
  route.mirrors?.forEach(({ destination, percentage }, index) => {
    checkDestination(destination, [...path, 'mirrors', index, 'destination'], report)
    checkPercentage(percentage, [...path, 'mirrors', index, 'percentage'], report)
  })
  for (const field of ['mirrorPercent', 'mirror_percent'] as const) {
    if (route[field] !== undefined) report('LTN0143', [...path, field], { field, instead: 'mirrorPercentage' }, 'key')
  }
}
