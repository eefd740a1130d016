// What the schema cannot say of an AuthorizationPolicy. A policy that says nothing usable is refused, and then denies: never a guess.
import { parseCidr } from '../../base/cidr.ts'
import type { FieldPath } from '../field-path.ts'
import type { AuthorizationPolicy, Condition, Operation, Rule, Source } from '../generated/authorization-policy.gen.ts'
import type { Report } from '../report.ts'
import { didYouMean } from '../schema/check.ts'
import { checkSelector } from './matches.ts'
import { pathTemplateProblem } from './path-template.ts'
import { checkTargets } from './targets.ts'

export function checkAuthorizationPolicy({ spec }: AuthorizationPolicy, report: Report): void {
  const { action = 'ALLOW', provider, rules } = spec
  checkSelector(spec.selector, ['spec', 'selector'], report)
  checkTargets(spec, ['spec'], report)
  if (action === 'CUSTOM' && (provider?.name ?? '') === '') {
    report('LTN0136', ['spec', 'provider'], { what: 'action CUSTOM', needed: 'provider.name' }, 'key')
  }
  if (action !== 'CUSTOM' && provider !== undefined) {
    report('LTN0135', ['spec', 'provider'], { first: 'provider', second: `action ${action}` }, 'key')
  }
  if ((action === 'DENY' || action === 'CUSTOM') && rules === undefined) {
    report('LTN0136', ['spec'], { what: `action ${action}`, needed: 'rules (an empty rule matches every request)' }, 'key')
  }
  rules?.forEach((rule, index) => {
    const at = ['spec', 'rules', index]
    checkRule(rule, action === 'CUSTOM', at, report)
    if (action === 'DENY' && isHttpOnly(rule)) report('LTN0154', at, {}, 'key')
  })
}

/** Conditions that a TCP connection does not have are dropped there, and what is left of the rule denies more. */
function isHttpOnly({ from = [], to = [], when = [] }: Rule): boolean {
  const conditions = [
    ...from.flatMap(({ source }) => Object.keys(source ?? {}).map((field) => /equestPrincipals$/.test(field))),
    ...to.flatMap(({ operation }) => Object.keys(operation ?? {}).map((field) => !/orts$/.test(field))),
    ...when.map(({ key }) => key.startsWith('request.')),
  ]
  return conditions.length > 0 && conditions.every((isHttp) => isHttp)
}

function checkRule(rule: Rule, isCustom: boolean, path: FieldPath, report: Report): void {
  for (const field of ['from', 'to'] as const) {
    if (rule[field]?.length === 0)
      report('LTN0136', [...path, field], { what: `'${field}'`, needed: 'an entry (leave it out to match all)' }, 'key')
  }
  rule.from?.forEach(({ source }, index) => {
    const at = [...path, 'from', index]
    if (source === undefined || Object.keys(source).length === 0)
      report('LTN0136', at, { what: "an entry of 'from'", needed: 'a source' }, 'key')
    else checkSource(source, isCustom, [...at, 'source'], report)
  })
  rule.to?.forEach(({ operation }, index) => {
    const at = [...path, 'to', index]
    if (operation === undefined || Object.keys(operation).length === 0)
      report('LTN0136', at, { what: "an entry of 'to'", needed: 'an operation' }, 'key')
    else checkOperation(operation, [...at, 'operation'], report)
  })
  rule.when?.forEach((condition, index) => void checkCondition(condition, isCustom, [...path, 'when', index], report))
}

const IDENTITY_FIELDS: readonly (keyof Source)[] = [
  'principals',
  'notPrincipals',
  'requestPrincipals',
  'notRequestPrincipals',
  'namespaces',
  'notNamespaces',
  'serviceAccounts',
  'notServiceAccounts',
  'trustDomains',
  'notTrustDomains',
]

function checkSource(source: Source, isCustom: boolean, path: FieldPath, report: Report): void {
  checkNoEmptyValues(source, path, report)
  for (const field of IDENTITY_FIELDS) {
    // The provider is asked before identities are known to the filter chain (Istio refuses it as well).
    if (isCustom && source[field] !== undefined) report('LTN0135', [...path, field], { first: field, second: 'action CUSTOM' }, 'key')
  }
  for (const field of ['principals', 'notPrincipals'] as const) {
    source[field]?.forEach((value, index) => {
      if (!value.startsWith('spiffe://')) return
      const reason = `principals are written without 'spiffe://': '${value.slice('spiffe://'.length)}'`
      report('LTN0147', [...path, field, index], { field: `'${value}'`, reason })
    })
  }
  for (const field of ['ipBlocks', 'notIpBlocks', 'remoteIpBlocks', 'notRemoteIpBlocks'] as const) {
    source[field]?.forEach((value, index) => void checkAddress(value, [...path, field, index], report))
  }
  for (const field of ['serviceAccounts', 'notServiceAccounts'] as const) {
    source[field]?.forEach((value, index) => {
      if (value.includes('*') || value.split('/').length > 2) {
        report('LTN0118', [...path, field, index], { value, pattern: "'account' or 'namespace/account', without stars" })
      }
    })
  }
  for (const field of ['trustDomains', 'notTrustDomains'] as const) {
    source[field]?.forEach((value, index) => {
      if (!/^\*?[^*/]*\*?$/.test(value) || (value.length > 1 && value.startsWith('*') && value.endsWith('*'))) {
        report('LTN0118', [...path, field, index], { value, pattern: "a trust domain, with at most one '*' at an end" })
      }
    })
  }
}

function checkOperation(operation: Operation, path: FieldPath, report: Report): void {
  checkNoEmptyValues(operation, path, report)
  for (const field of ['ports', 'notPorts'] as const) {
    operation[field]?.forEach((value, index) => void checkPortText(value, [...path, field, index], report))
  }
  for (const field of ['paths', 'notPaths'] as const) {
    operation[field]?.forEach((value, index) => {
      const problem = pathTemplateProblem(value)
      if (problem !== undefined) report('LTN0134', [...path, field, index], { pattern: JSON.stringify(value), problem })
    })
  }
}

const KEYS = [
  'source.ip',
  'remote.ip',
  'source.namespace',
  'source.principal',
  'source.serviceAccount',
  'source.trustDomain',
  'request.auth.principal',
  'request.auth.audiences',
  'request.auth.presenter',
  'destination.ip',
  'destination.port',
  'connection.sni',
]
const MAP_KEY = /^(?:request\.headers|request\.auth\.claims|experimental\.envoy\.filters\.[a-z0-9_.]+)(?:\[[^[\]]+\])+$/
const IDENTITY_KEY = /^(?:source\.(?:namespace|principal|serviceAccount|trustDomain)|request\.auth\..*)$/

function checkCondition(condition: Condition, isCustom: boolean, path: FieldPath, report: Report): void {
  const { key, values, notValues } = condition
  if (!KEYS.includes(key) && !MAP_KEY.test(key)) {
    const allowed = `${KEYS.join(', ')}, request.headers[name], request.auth.claims[name]`
    report('LTN0113', [...path, 'key'], { value: key, suggestion: didYouMean(key, KEYS), allowed })
  } else if (isCustom && IDENTITY_KEY.test(key)) report('LTN0135', [...path, 'key'], { first: key, second: 'action CUSTOM' })
  if ((values ?? []).length + (notValues ?? []).length === 0)
    report('LTN0136', path, { what: 'a condition', needed: 'values or notValues' }, 'key')
  for (const field of ['values', 'notValues'] as const) {
    condition[field]?.forEach((value, index) => {
      const at = [...path, field, index]
      if (value === '') report('LTN0136', at, { what: 'a value', needed: 'text' })
      else if (key === 'destination.port') checkPortText(value, at, report)
      else if (key.endsWith('.ip')) checkAddress(value, at, report)
    })
  }
}

function checkNoEmptyValues(fields: Source | Operation, path: FieldPath, report: Report): void {
  for (const [field, values] of Object.entries<readonly string[]>({ ...fields })) {
    if (values.length === 0)
      report('LTN0136', [...path, field], { what: `'${field}'`, needed: 'an entry (leave it out to match all)' }, 'key')
    values.forEach((value, index) => {
      if (value === '') report('LTN0136', [...path, field, index], { what: 'a value', needed: 'text' })
    })
  }
}

function checkAddress(value: string, path: FieldPath, report: Report): void {
  if (value !== '' && parseCidr(value) === undefined) report('LTN0139', path, { value, expected: 'an address or a range' })
}

function checkPortText(value: string, path: FieldPath, report: Report): void {
  if (value !== '' && (!/^\d{1,5}$/.test(value) || Number(value) > 65535))
    report('LTN0117', path, { value: `'${value}'`, bound: 'a port, 0 to 65535' })
}
