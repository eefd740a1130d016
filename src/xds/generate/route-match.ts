// Conditions of the mesh as Envoy's matchers.

import type { StringMatchSpec } from '../../base/string-matcher.ts'
import type { HeaderMatcher, QueryParameterMatcher, RouteMatch, StringMatcher } from '../../envoy/generated/messages.gen.ts'
import type { HeaderMatch, HttpMatch } from '../../model/traffic-route.ts'

export function routeMatch(match: HttpMatch): RouteMatch {
  const headers = match.headers.map(headerMatcher)
  const queryParameters = match.queryParameters.map(queryMatcher)
  return {
    ...pathMatch(match.path),
    ...(headers.length === 0 ? {} : { headers }),
    ...(queryParameters.length === 0 ? {} : { queryParameters }),
  }
}

function pathMatch(path: StringMatchSpec | undefined): RouteMatch {
  switch (path?.kind) {
    case undefined:
    case 'present':
      return { prefix: '/' }
    case 'exact':
      return { path: path.value, caseSensitive: path.ignoreCase !== true }
    case 'prefix':
      return { prefix: path.value, caseSensitive: path.ignoreCase !== true }
    case 'regex':
      return { safeRegex: { regex: path.value } }
    case 'suffix':
    case 'contains':
      return { safeRegex: { regex: `.*${escapeRegex(path.value)}${path.kind === 'contains' ? '.*' : ''}` } }
  }
}

function headerMatcher({ name, value, inverted }: HeaderMatch): HeaderMatcher {
  if (value.kind === 'present') return { name, presentMatch: true, ...(inverted ? { invertMatch: true } : {}) }
  const plain: HeaderMatcher = { name, stringMatch: stringMatcher(value) }
  // 'Does not have this value' holds for a request that has no such header at all.
  return inverted ? { ...plain, invertMatch: true, treatMissingHeaderAsEmpty: true } : plain
}

function queryMatcher({ name, value }: HttpMatch['queryParameters'][number]): QueryParameterMatcher {
  return value.kind === 'present' ? { name, presentMatch: true } : { name, stringMatch: stringMatcher(value) }
}

export function stringMatcher(spec: Exclude<StringMatchSpec, { readonly kind: 'present' }>): StringMatcher {
  if (spec.kind === 'regex') return { safeRegex: { regex: spec.value } }
  const ignoreCase = spec.ignoreCase === true ? { ignoreCase: true } : {}
  switch (spec.kind) {
    case 'exact':
      return { exact: spec.value, ...ignoreCase }
    case 'prefix':
      return { prefix: spec.value, ...ignoreCase }
    case 'suffix':
      return { suffix: spec.value, ...ignoreCase }
    case 'contains':
      return { contains: spec.value, ...ignoreCase }
  }
}

function escapeRegex(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
}
