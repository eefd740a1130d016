// The injector's configuration: a YAML file (a mounted ConfigMap) checked against config-fields.ts. Called by the composition root at the
// start and when the file changes, and by kube-inject. Invariant: either the whole of it is valid, or nothing of it is used and every
// problem is named; a field that is left out has its default.
import { parse } from 'yaml'
import { isRecord } from '../api/record.ts'
import { parseDurationMs } from '../base/duration.ts'
import { errorMessage } from '../base/errors.ts'
import { fail, type Problem, type Result, succeed } from '../base/result.ts'
import { suggest } from '../base/suggest.ts'
import { CONFIG_FIELDS, type ConfigField } from './config-fields.ts'
import type { DecisionRules } from './decide.ts'
import type { Json, Texts } from './pod.ts'

export interface ProbeSettings {
  readonly initialDelaySeconds?: number
  readonly periodSeconds?: number
  readonly timeoutSeconds?: number
  readonly successThreshold?: number
  readonly failureThreshold?: number
}

export interface ResourceSettings {
  readonly requests: Texts
  readonly limits: Texts
}

export interface InjectorConfig extends DecisionRules {
  readonly image: string
  readonly imagePullPolicy: string
  readonly imagePullSecrets: readonly string[]
  readonly nativeSidecar: 'auto' | 'true' | 'false'
  readonly capture: 'init' | 'none'
  readonly logLevel: string
  readonly concurrency: number
  readonly resources: ResourceSettings
  readonly initResources: ResourceSettings
  readonly controlPlane: { readonly address: string; readonly name: string }
  readonly trustDomain: string
  readonly clusterDomain: string
  readonly clusterId: string
  readonly meshId: string
  readonly network: string
  readonly statusPort: number
  readonly healthPort: number
  readonly prometheusPort: number
  readonly adminPort: number
  readonly includeOutboundIPRanges: string
  readonly excludeOutboundIPRanges: string
  readonly includeOutboundPorts: string
  readonly excludeOutboundPorts: string
  readonly includeInboundPorts: string
  readonly excludeInboundPorts: string
  readonly excludeInterfaces: string
  readonly rewriteProbes: boolean
  readonly mergeMetrics: boolean
  readonly holdApplicationUntilProxyStarts: boolean
  readonly startupProbe: ProbeSettings
  readonly readinessProbe: ProbeSettings
  readonly drainTime: string
  readonly rootConfigMap: string
  readonly tokenAudience: string
  readonly tokenSeconds: number
  readonly defaultTemplates: readonly string[]
  readonly templates: Readonly<Record<string, Json>>
}

export function readInjectorConfig(text: string): Result<InjectorConfig> {
  let file: unknown
  try {
    file = parse(text, { maxAliasCount: 100 })
  } catch (error) {
    return fail('', `is not valid YAML: ${errorMessage(error)}`)
  }
  if (file !== null && file !== undefined && !isRecord(file)) return fail('', 'must be a mapping of fields')
  return injectorConfigFrom(file ?? {})
}

/** The configuration of a file without a field. */
export function defaultInjectorConfig(): InjectorConfig {
  const made = injectorConfigFrom({})
  if (!made.ok) throw new Error(`the defaults are refused: ${made.problems[0]?.message}`)
  return made.value
}

export function injectorConfigFrom(file: Json): Result<InjectorConfig> {
  const problems = unknownFields(file, '')
  const made: Record<string, unknown> = {}
  for (const field of CONFIG_FIELDS) {
    const given = at(file, field.name)
    if (given !== undefined && given !== null) {
      const message = problemOf(given, field)
      if (message !== undefined) problems.push({ path: field.name, message })
    }
    put(made, field.name, given ?? field.initial)
  }
  if (problems.length > 0) return { ok: false, problems }
  // Field by field what the table says, which is what the type says (a test compares the two).
  return succeed({ ...made, nativeSidecar: String(made.nativeSidecar) } as unknown as InjectorConfig)
}

function unknownFields(value: Json, prefix: string): Problem[] {
  const known = new Set(CONFIG_FIELDS.map(({ name }) => name.slice(prefix.length).split('.')[0] ?? '').filter((name) => name !== ''))
  const own = CONFIG_FIELDS.filter(({ name }) => name.startsWith(prefix)).map(({ name }) => name.slice(prefix.length))
  return Object.entries(value).flatMap(([key, inner]) => {
    const path = `${prefix}${key}`
    if (own.includes(key)) return []
    if (own.some((name) => name.startsWith(`${key}.`))) {
      return isRecord(inner) ? unknownFields(inner, `${path}.`) : [{ path, message: 'must be a mapping' }]
    }
    const close = suggest(key, [...known])
    return [{ path, message: `is no field of the injector's configuration${close === undefined ? '' : `; did you mean '${close}'?`}` }]
  })
}

function problemOf(value: unknown, { is }: ConfigField): string | undefined {
  switch (is.type) {
    case 'text':
      return typeof value === 'string' ? undefined : 'must be text: put quotes around it'
    case 'boolean':
      return typeof value === 'boolean' ? undefined : 'must be true or false'
    case 'choice':
      return is.of.includes(String(value)) ? undefined : `is '${String(value)}'; it must be one of ${is.of.join(', ')}`
    case 'count':
      return typeof value === 'number' && Number.isInteger(value) && value >= is.lowest && value <= is.highest
        ? undefined
        : `must be a whole number from ${is.lowest} to ${is.highest}`
    case 'duration': {
      const parsed = parseDurationMs(String(value))
      return parsed.ok && parsed.value >= 0 ? undefined : "must be a duration such as '5s'"
    }
    case 'texts':
      return Array.isArray(value) && value.every((each) => typeof each === 'string') ? undefined : 'must be a list of texts'
    case 'quantities':
      return isRecord(value) && Object.values(value).every((each) => isQuantity(String(each)))
        ? undefined
        : 'must be a mapping such as {cpu: 100m, memory: 128Mi}'
    case 'probe':
      return probeProblem(value)
    case 'selectors':
      return Array.isArray(value) && value.every(isSelector)
        ? undefined
        : 'must be a list of label selectors: matchLabels and matchExpressions'
    case 'templates':
      return isRecord(value) && Object.values(value).every(isRecord) ? undefined : 'must map a name to a piece of a pod'
  }
}

const PROBE_FIELDS = ['initialDelaySeconds', 'periodSeconds', 'timeoutSeconds', 'successThreshold', 'failureThreshold']

function probeProblem(value: unknown): string | undefined {
  const fine =
    isRecord(value) &&
    Object.entries(value).every(
      ([key, each]) => PROBE_FIELDS.includes(key) && typeof each === 'number' && Number.isInteger(each) && each >= 0,
    )
  return fine ? undefined : `must be a mapping of ${PROBE_FIELDS.join(', ')} to whole numbers`
}

function isSelector(value: unknown): boolean {
  if (!isRecord(value) || Object.keys(value).some((key) => key !== 'matchLabels' && key !== 'matchExpressions')) return false
  const { matchLabels = {}, matchExpressions = [] } = value
  return (
    isRecord(matchLabels) &&
    Object.values(matchLabels).every((each) => typeof each === 'string') &&
    Array.isArray(matchExpressions) &&
    matchExpressions.every(
      (each) =>
        isRecord(each) &&
        typeof each.key === 'string' &&
        ['In', 'NotIn', 'Exists', 'DoesNotExist'].includes(String(each.operator)) &&
        (each.values === undefined || Array.isArray(each.values)),
    )
  )
}

/** Kubernetes' resource.Quantity: a number with an optional binary, decimal or exponent suffix. */
export function isQuantity(text: string): boolean {
  return /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?$/.test(text)
}

function at(value: Json, name: string): unknown {
  let here: unknown = value
  for (const part of name.split('.')) here = isRecord(here) ? here[part] : undefined
  return here
}

function put(target: Record<string, unknown>, name: string, value: unknown): void {
  const [head = '', ...rest] = name.split('.')
  if (rest.length === 0) {
    target[head] = value
    return
  }
  const inner = target[head]
  const next: Record<string, unknown> = isRecord(inner) ? { ...inner } : {}
  put(next, rest.join('.'), value)
  target[head] = next
}
