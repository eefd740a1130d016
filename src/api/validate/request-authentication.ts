// What the schema cannot say of a RequestAuthentication.
import type { FieldPath } from '../field-path.ts'
import type { JWTRule, RequestAuthentication } from '../generated/request-authentication.gen.ts'
import { isRecord } from '../record.ts'
import type { Report } from '../report.ts'
import { checkHeaderName, checkSelector } from './matches.ts'
import { checkTargets } from './targets.ts'

export function checkRequestAuthentication({ spec }: RequestAuthentication, report: Report): void {
  checkSelector(spec.selector, ['spec', 'selector'], report)
  checkTargets(spec, ['spec'], report)
  spec.jwtRules?.forEach((rule, index) => void checkRule(rule, ['spec', 'jwtRules', index], report))
}

function checkRule(rule: JWTRule, path: FieldPath, report: Report): void {
  if (rule.issuer === undefined && rule.jwksUri === undefined && rule.jwks_uri === undefined) {
    report('LTN0136', path, { what: 'a token rule', needed: 'issuer or jwksUri' }, 'key')
  }
  if (rule.jwks !== undefined && !isKeySet(rule.jwks)) {
    report('LTN0118', [...path, 'jwks'], { value: rule.jwks.slice(0, 40), pattern: 'a JSON key set: {"keys": [...]}' })
  }
  rule.outputClaimToHeaders?.forEach(({ header, claim }, index) => {
    const at = [...path, 'outputClaimToHeaders', index]
    checkHeaderName(header, [...at, 'header'], report)
    if (claim === '') report('LTN0136', [...at, 'claim'], { what: 'a header of a claim', needed: 'claim' }, 'key')
  })
  rule.fromHeaders?.forEach(({ name }, index) => void checkHeaderName(name, [...path, 'fromHeaders', index, 'name'], report))
}

/** RFC 7517 section 5. The keys themselves are judged where they are used. */
function isKeySet(text: string): boolean {
  try {
    const parsed: unknown = JSON.parse(text)
    return isRecord(parsed) && Array.isArray(parsed.keys)
  } catch {
    return false
  }
}
