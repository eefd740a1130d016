// A decision as a sentence, for `lateen explain`, the console and debug logs. Never called on the hot path: decisions carry words and
// indices, and only who wants to read them pays for the text.
import type { Cluster, HeaderMatch, Route, RouteMatch, RouteTable } from '../config/proxy-config.ts'
import type { AuthorizationDecision } from './authorize.ts'
import { type HostPlan, NO_HOST } from './balance.ts'
import type { RouteDecision } from './match.ts'
import type { RequestView } from './request-view.ts'
import type { NoRetryReason, RetryDecision } from './retry.ts'

export function describeRouteDecision(decision: RouteDecision, table: RouteTable, request: RequestView): string {
  const subject = `${request.method} ${request.authority}${request.path}`
  if (decision.found) {
    const name = decision.route.name === '' ? '' : ` '${decision.route.name}'`
    return `${subject} takes route ${decision.routeIndex}${name} of virtual host '${decision.virtualHost.name}' because ${describeMatch(decision.route.match)}; it ${describeAction(decision.route)}`
  }
  if (decision.reason === 'no-virtual-host') {
    return `${subject} has no route: no virtual host of '${table.name}' has a domain that covers '${request.authority}' (flag NR)`
  }
  const host = decision.virtualHost?.name ?? ''
  if (decision.reason === 'requires-tls') return `${subject} is sent to https: virtual host '${host}' requires TLS`
  return `${subject} has no route: none of the ${decision.virtualHost?.routes.length ?? 0} routes of virtual host '${host}' matches (flag NR)`
}

export function describeMatch(match: RouteMatch): string {
  const parts = [describePath(match.path), ...match.headers.map(describeHeader)]
  for (const parameter of match.queryParameters) parts.push(`query parameter '${parameter.name}' ${describeSpec(parameter.spec)}`)
  if (match.fractionPerMillion !== undefined) parts.push(`it is among ${match.fractionPerMillion / 10_000} % of the requests`)
  return parts.join(' and ')
}

function describePath(path: RouteMatch['path']): string {
  if (path.kind === 'connect') return 'the method is CONNECT'
  const words = {
    exact: 'is exactly',
    prefix: 'starts with',
    'path-separated-prefix': 'is or lies below',
    regex: 'matches the expression',
  }
  const ignoring = path.kind !== 'regex' && path.ignoreCase ? ' (ignoring case)' : ''
  return `the path ${words[path.kind]} '${path.value}'${ignoring}`
}

function describeHeader(match: HeaderMatch): string {
  return `header '${match.name}' ${match.inverted ? 'not: ' : ''}${describeSpec(match.spec)}`
}

function describeSpec(spec: HeaderMatch['spec']): string {
  if (spec.kind === 'present') return 'is present'
  if (spec.kind === 'range') return `is a number from ${spec.start} to below ${spec.end}`
  return `${spec.kind} '${spec.value}'`
}

function describeAction(route: Route): string {
  const { action } = route
  switch (action.kind) {
    case 'forward':
      return action.clusters.length === 1
        ? `forwards to '${action.clusters[0]?.name}'`
        : `forwards to ${action.clusters.map(({ name, weight }) => `'${name}' (${percent(weight, action.totalWeight)})`).join(', ')}`
    case 'direct-response':
      return `answers ${action.status} itself`
    case 'redirect':
      return `redirects with ${action.status}`
    case 'non-forwarding':
      return 'is not forwarded'
  }
}

function percent(weight: number, total: number): string {
  return `${Math.round((weight / total) * 1000) / 10} %`
}

export function describeAuthorization(decision: AuthorizationDecision): string {
  if (decision.allowed) return 'allowed: no rule set refuses it'
  const where = `rule set ${decision.rulesIndex}`
  if (decision.because === 'denied-by-policy') return `denied: policy '${decision.policy}' of ${where} forbids it`
  if (decision.because === 'no-policy-allows') return `denied: ${where} allows only what a policy names, and no policy names this`
  return `denied: ${where} could not be read, so everything is denied`
}

const NO_RETRY: Readonly<Record<NoRetryReason, string>> = {
  'no-policy': 'the route has no retry policy',
  'not-retriable': 'no condition of the retry policy covers what happened',
  'maybe-processed': 'the destination may have processed the request, and the policy does not name that case',
  'response-started': 'a part of the response has gone to the client',
  'not-replayable': 'the request body was not kept',
  'attempts-spent': 'all attempts of the policy are spent',
  'budget-spent': 'too many retries to the destination are in flight (circuit breaker max_retries)',
  deadline: "the route's timeout would pass before the next attempt",
}

export function describeRetry(decision: RetryDecision): string {
  if (decision.retry) return `tried again after ${Math.round(decision.afterMs)} ms because of '${decision.because}'`
  return `not tried again: ${NO_RETRY[decision.because]}`
}

export function describePick(cluster: Cluster, plan: HostPlan, picked: number): string {
  const endpoint = picked === NO_HOST ? undefined : cluster.endpoints[picked]
  if (endpoint === undefined) return `no endpoint of '${cluster.name}' can be used: it has ${cluster.endpoints.length} (flag UH)`
  const level = plan.levels.find(({ hosts }) => hosts.includes(picked))
  const panic = level?.panic === true ? '; too few are healthy, so all are used (panic)' : ''
  return `${endpoint.address.host}:${endpoint.address.port} of ${level?.hosts.length ?? 0} usable endpoints of '${cluster.name}' by ${cluster.balancer}${panic}`
}
