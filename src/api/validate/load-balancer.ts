// Load balancing: consistent hashing, locality, zones.
import type { FieldPath } from '../field-path.ts'
import type { ConsistentHashLB, LoadBalancerSettings, LocalityLoadBalancerSetting } from '../generated/destination-rule.gen.ts'
import type { Report } from '../report.ts'

export function checkLoadBalancer(settings: LoadBalancerSettings, hasOutlierDetection: boolean, path: FieldPath, report: Report): void {
  const { simple, consistentHash, localityLbSetting, zoneAwareLbSetting, warmupDurationSecs } = settings
  if (simple === 'LEAST_CONN') report('LTN0143', [...path, 'simple'], { field: 'LEAST_CONN', instead: 'LEAST_REQUEST' })
  if (warmupDurationSecs !== undefined) {
    report('LTN0143', [...path, 'warmupDurationSecs'], { field: 'warmupDurationSecs', instead: 'warmup' }, 'key')
  }
  if (consistentHash !== undefined) checkConsistentHash(consistentHash, [...path, 'consistentHash'], report)
  if (localityLbSetting !== undefined && zoneAwareLbSetting !== undefined) {
    report('LTN0135', [...path, 'zoneAwareLbSetting'], { first: 'zoneAwareLbSetting', second: 'localityLbSetting' }, 'key')
  }
  if (localityLbSetting !== undefined) checkLocality(localityLbSetting, hasOutlierDetection, [...path, 'localityLbSetting'], report)
}

function checkConsistentHash(hash: ConsistentHashLB, path: FieldPath, report: Report): void {
  const attributes = (hash.httpCookie?.attributes ?? []).map(({ name }) => name)
  if (hash.httpCookie?.name === '') report('LTN0136', [...path, 'httpCookie'], { what: 'httpCookie', needed: 'name' }, 'key')
  checkSentText(hash, path, report)
  attributes.forEach((name, index) => {
    if (name === '') report('LTN0136', [...path, 'httpCookie', 'attributes', index], { what: 'a cookie attribute', needed: 'name' })
    const first = attributes.indexOf(name)
    if (first < index) report('LTN0120', [...path, 'httpCookie', 'attributes', index], { value: name, first: `[${first}]` })
  })
  if (hash.minimumRingSize !== undefined) {
    const at = [...path, 'minimumRingSize']
    if (hash.ringHash !== undefined || hash.maglev !== undefined)
      report('LTN0135', at, { first: 'minimumRingSize', second: 'ringHash or maglev' }, 'key')
    else report('LTN0143', at, { field: 'minimumRingSize', instead: 'ringHash.minimumRingSize' }, 'key')
  }
  if (hash.maglev !== undefined) {
    const size = hash.maglev.tableSize ?? 0
    if (!isPrime(size) || size >= MAX_TABLE_SIZE) {
      report('LTN0117', [...path, 'maglev', 'tableSize'], { value: size, bound: `a prime below ${MAX_TABLE_SIZE}` })
    }
  }
}

/** What becomes part of a header; Envoy refuses a route that could break one in two. */
function checkSentText({ httpHeaderName, httpQueryParameterName, httpCookie }: ConsistentHashLB, path: FieldPath, report: Report): void {
  const check = (value: string | undefined, at: FieldPath): void => {
    const isBroken = ['\0', '\r', '\n'].some((each) => value?.includes(each))
    if (isBroken) report('LTN0118', at, { value: JSON.stringify(value), pattern: 'text of one line' })
  }
  check(httpHeaderName, [...path, 'httpHeaderName'])
  check(httpQueryParameterName, [...path, 'httpQueryParameterName'])
  const cookie = [...path, 'httpCookie']
  check(httpCookie?.name, [...cookie, 'name'])
  check(httpCookie?.path, [...cookie, 'path'])
  httpCookie?.attributes?.forEach(({ name, value }, index) => {
    check(name, [...cookie, 'attributes', index, 'name'])
    check(value, [...cookie, 'attributes', index, 'value'])
  })
}

const MAX_TABLE_SIZE = 5_000_011

function isPrime(number: number): boolean {
  if (number < 2) return false
  if (number >= MAX_TABLE_SIZE) return false
  for (let divisor = 2; divisor * divisor <= number; divisor++) if (number % divisor === 0) return false
  return true
}

function checkLocality(setting: LocalityLoadBalancerSetting, hasOutlierDetection: boolean, path: FieldPath, report: Report): void {
  const { distribute = [], failover = [], failoverPriority = [] } = setting
  if (distribute.length > 0 && failover.length > 0)
    report('LTN0135', [...path, 'failover'], { first: 'failover', second: 'distribute' }, 'key')
  distribute.forEach(({ from = '', to = {} }, index) => {
    const at = [...path, 'distribute', index]
    checkLocalityName(from, [...at, 'from'], report)
    let sum = 0
    for (const [locality, weight] of Object.entries(to)) {
      checkLocalityName(locality, [...at, 'to', locality], report)
      if (weight < 1 || weight > 100) report('LTN0117', [...at, 'to', locality], { value: weight, bound: '1 to 100' })
      sum += weight
    }
    if (sum !== 100) report('LTN0117', [...at, 'to'], { value: `the sum ${sum}`, bound: 'exactly 100' }, 'key')
  })
  failover.forEach(({ from = '', to = '' }, index) => {
    const at = [...path, 'failover', index]
    if (from === to) report('LTN0135', at, { first: `from: ${from}`, second: `to: ${to}` }, 'key')
    for (const [field, region] of [
      ['from', from],
      ['to', to],
    ] as const) {
      if (/[/*]/.test(region)) report('LTN0118', [...at, field], { value: region, pattern: 'the name of a region' })
    }
  })
  if ((failover.length > 0 || failoverPriority.length > 0) && !hasOutlierDetection) {
    report('LTN0147', path, { field: 'failover', reason: 'without outlierDetection no endpoint is ever seen as failing' }, 'key')
  }
}

/** region, region/zone or region/zone/subzone; a star only as the last part. */
function checkLocalityName(locality: string, path: FieldPath, report: Report): void {
  const parts = locality.split('/')
  const bad =
    parts.length > 3 || parts.some((part, index) => part === '' || (part.includes('*') && (part !== '*' || index < parts.length - 1)))
  if (bad) report('LTN0118', path, { value: locality, pattern: "region/zone/subzone, with '*' only at the end" })
}
