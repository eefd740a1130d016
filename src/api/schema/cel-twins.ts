// The twin in TypeScript of every CEL rule in crds/, by the rule's text: the API server evaluates the one, we the other.
// Invariant: a rule without a twin, or a twin without a rule, fails schema/cel-twins.test.ts. A value of the wrong type passes here,
// because the type's own Finding is enough.
import { isRecord } from '../record.ts'

export type CelTwin = (value: unknown) => boolean

const has = (value: unknown, field: string): boolean => isRecord(value) && Object.hasOwn(value, field)
const get = (value: unknown, field: string): unknown => (isRecord(value) && Object.hasOwn(value, field) ? value[field] : undefined)
const textAt = (value: unknown, field: string): string => {
  const text = get(value, field)
  return typeof text === 'string' ? text : ''
}
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])
const keysOf = (value: unknown): readonly string[] => (isRecord(value) ? Object.keys(value) : [])
const countOf = (value: unknown, ...fields: readonly string[]): number => fields.filter((field) => has(value, field)).length
const isUnix = (value: unknown): boolean => textAt(value, 'address').startsWith('unix://')
const isPort = (port: number): boolean => port > 0 && port <= 65535

/** The scheme of a URL; empty without one, undefined when the text is no URL. */
function schemeOf(text: unknown): string | undefined {
  if (typeof text !== 'string' || /\s/.test(text)) return undefined
  return /^([a-zA-Z][a-zA-Z0-9+.-]*):\/\//.exec(text)?.[1]?.toLowerCase() ?? ''
}

const selectors: Readonly<Record<string, CelTwin>> = {
  "self.all(key, !key.contains('*'))": (labels) => keysOf(labels).every((key) => !key.includes('*')),
  'self.all(key, key.size() != 0)': (labels) => keysOf(labels).every((key) => key !== ''),
  "!self.contains('*')": (text) => typeof text !== 'string' || !text.includes('*'),
  'self.size() == 0': (text) => text === '',
  '(has(self.selector) ? 1 : 0) + (has(self.targetRef) ? 1 : 0) + (has(self.targetRefs) ? 1 : 0) <= 1': (spec) =>
    countOf(spec, 'selector', 'targetRef', 'targetRefs') <= 1,
  '(has(self.workloadSelector) ? 1 : 0) + (has(self.targetRefs) ? 1 : 0) <= 1': (spec) =>
    countOf(spec, 'workloadSelector', 'targetRefs') <= 1,
}

const security: Readonly<Record<string, CelTwin>> = {
  '(has(self.selector) && has(self.selector.matchLabels) && self.selector.matchLabels.size() > 0) || !has(self.portLevelMtls)': (spec) =>
    keysOf(get(get(spec, 'selector'), 'matchLabels')).length > 0 || !has(spec, 'portLevelMtls'),
  'self.all(key, 0 < int(key) && int(key) <= 65535)': (ports) => keysOf(ports).every((key) => /^\d+$/.test(key) && isPort(Number(key))),
  '(has(self.jwksUri) ? 1 : 0) + (has(self.jwks_uri) ? 1 : 0) + (has(self.jwks) ? 1 : 0) <= 1': (rule) =>
    countOf(rule, 'jwksUri', 'jwks_uri', 'jwks') <= 1,
  "url(self).getScheme() in ['http', 'https']": (url) => ['http', 'https'].includes(schemeOf(url) ?? ''),
  '(has(self.serviceAccounts) || has(self.notServiceAccounts)) ? (!has(self.principals) && !has(self.notPrincipals) && !has(self.namespaces) && !has(self.notNamespaces)) : true':
    (source) =>
      countOf(source, 'serviceAccounts', 'notServiceAccounts') === 0 ||
      countOf(source, 'principals', 'notPrincipals', 'namespaces', 'notNamespaces') === 0,
}

const networking: Readonly<Record<string, CelTwin>> = {
  '!(has(self.credentialNames) && has(self.tlsCertificates))': (tls) => countOf(tls, 'credentialNames', 'tlsCertificates') < 2,
  '!(has(self.credentialName) && has(self.credentialNames))': (tls) => countOf(tls, 'credentialName', 'credentialNames') < 2,
  "!self.exists(host, host == '*')": (hosts) => !listOf(hosts).includes('*'),
  'self.all(a, self.exists_one(b, a.number == b.number))': (ports) => {
    const numbers = listOf(ports).map((port) => get(port, 'number'))
    return new Set(numbers).size === numbers.length
  },
  '!(has(self.workloadSelector) && has(self.endpoints))': (spec) => countOf(spec, 'workloadSelector', 'endpoints') < 2,
  "!(has(self.addresses) && self.addresses.exists(k, k.contains('/')) && (has(self.resolution) && self.resolution != 'STATIC' && self.resolution != 'NONE'))":
    (spec) =>
      !listOf(get(spec, 'addresses')).some((address) => String(address).includes('/')) ||
      ['', 'STATIC', 'NONE'].includes(textAt(spec, 'resolution')),
  "!((!has(self.resolution) || self.resolution == 'NONE') && has(self.endpoints))": (spec) =>
    !(['', 'NONE'].includes(textAt(spec, 'resolution')) && has(spec, 'endpoints')),
  "!(has(self.resolution) && self.resolution == 'DNS_ROUND_ROBIN' && has(self.endpoints) && self.endpoints.size() > 1)": (spec) =>
    textAt(spec, 'resolution') !== 'DNS_ROUND_ROBIN' || listOf(get(spec, 'endpoints')).length <= 1,
  'has(self.address) || has(self.network)': (entry) => countOf(entry, 'address', 'network') > 0,
  "!has(self.address) || !self.address.startsWith('unix://') || !has(self.ports)": (entry) => !isUnix(entry) || !has(entry, 'ports'),
  "!has(self.address) || !self.address.startsWith('unix://') || (!self.address.endsWith('/') && (self.address.startsWith('unix:///') || self.address.startsWith('unix://@')))":
    (entry) => !isUnix(entry) || /^unix:\/\/[/@](?:.*[^/])?$/.test(textAt(entry, 'address')),
  "self.all(key, size(key) < 63 && key.matches('^[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?$'))": (ports) =>
    keysOf(ports).every((key) => key.length < 63 && /^[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?$/.test(key)),
  "has(self.context) ? ((self.context == 'WAYPOINT') ? has(self.waypoint) : !has(self.waypoint)) : !has(self.waypoint)": (match) =>
    (textAt(match, 'context') === 'WAYPOINT') === has(match, 'waypoint'),
}

const observing: Readonly<Record<string, CelTwin>> = {
  "!(has(self.operation) && self.operation == 'REMOVE' && has(self.value))": (tag) =>
    !(textAt(tag, 'operation') === 'REMOVE' && has(tag, 'value')),
  "(has(self.operation) && self.operation == 'REMOVE') || (has(self.value) && self.value.size() > 0)": (tag) =>
    textAt(tag, 'operation') === 'REMOVE' || textAt(tag, 'value') !== '',
  "(has(self.valueFrom) ? self.valueFrom : '') != 'HOST' || !has(self.value)": (variable) =>
    textAt(variable, 'valueFrom') !== 'HOST' || !has(variable, 'value'),
  "isURL(self) ? (url(self).getScheme() in ['', 'http', 'https', 'oci', 'file']) : (isURL('http://' + self) && url('http://' + self).getScheme() in ['', 'http', 'https', 'oci', 'file'])":
    (url) => ['', 'http', 'https', 'oci', 'file'].includes(schemeOf(url) ?? 'no URL'),
}

export const celTwins: Readonly<Record<string, CelTwin>> = { ...selectors, ...security, ...networking, ...observing }
