// Rules that no request reaches, because an earlier one takes everything or is the same. Warnings, as the rule does no harm.
import { canonicalJson } from '../../base/content-hash.ts'
import { type FieldPath, formatPath } from '../field-path.ts'
import type { HTTPMatchRequest, HTTPRoute } from '../generated/virtual-service.gen.ts'
import type { Report } from '../report.ts'

export function checkReachability(routes: readonly HTTPRoute[], path: FieldPath, report: Report): void {
  const seen = new Map<string, string>()
  let catchAll: string | undefined
  routes.forEach((route, index) => {
    const at = [...path, index]
    if (catchAll !== undefined) {
      report('LTN0144', at, { earlier: catchAll }, 'key')
      return
    }
    const matches = route.match ?? []
    matches.forEach((match, number) => {
      const key = canonicalJson(conditionsOf(match))
      const earlier = seen.get(key)
      if (earlier === undefined) seen.set(key, formatPath([...at, 'match', number]))
      else report('LTN0145', [...at, 'match', number], { earlier }, 'key')
    })
    // A delegate takes only what its own matches say.
    const isDelegated = route.delegate !== undefined
    if (!isDelegated && (matches.length === 0 || matches.some(matchesAll))) catchAll = formatPath(at)
  })
}

function conditionsOf(match: HTTPMatchRequest): Readonly<Record<string, unknown>> {
  const { name: _name, statPrefix: _statPrefix, ...conditions } = match
  return conditions
}

function matchesAll(match: HTTPMatchRequest): boolean {
  const { uri, ignoreUriCase: _ignore, ...others } = conditionsOf(match)
  const everyUri = uri === undefined || canonicalJson(uri) === '{"prefix":"/"}'
  return everyUri && Object.keys(others).length === 0
}
