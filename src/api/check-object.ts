// From a parsed value to an API object: envelope, metadata, schema, the kind's own checks, what is not in force.
// Called by read-yaml.ts (with positions) and by the Kubernetes source and the webhook (without).
// Invariant: an object with errors does not come back, so nobody acts on a guess; but a security object with errors comes back as
// `unreadable`, so that compile denies where it selects instead of letting through what its author forbade.
// 'Not in force yet' never takes an object away.
import { suggest } from '../base/suggest.ts'
import type { CheckOptions } from './check-options.ts'
import { withSpec } from './core-shape.ts'
import type { Finding } from './finding.ts'
import { hasErrors } from './finding.ts'
import { reportNotInForce } from './in-force.ts'
import { type AnyApiObject, apiVersionsOf, type KindInfo, kindInfo, kinds, schemaOf } from './kinds.ts'
import { readMetadata } from './metadata.ts'
import type { ApiObject, ObjectSource } from './object-meta.ts'
import { isRecord } from './record.ts'
import { collector, type Locate, type Report } from './report.ts'
import { checkValue, ownProperty } from './schema/check.ts'
import type { SchemaNode } from './schema/schema-node.ts'
import { withoutNulls } from './schema/without-nulls.ts'
import { isSuppressed, suppressedCodes } from './suppression.ts'
import { checkSemantics } from './validate/semantics.ts'

export interface Checked {
  /** Absent when the object has errors, or `unreadable`. */
  readonly object?: AnyApiObject
  readonly findings: readonly Finding[]
  /** Whether errors stand in the way of the object; 'not in force yet' is none. */
  readonly refused: boolean
}

export function checkApiObject(written: unknown, locate: Locate, source: ObjectSource | undefined, options: CheckOptions): Checked {
  const nameless = collector(undefined, locate)
  if (!isRecord(written)) {
    nameless.report('LTN0112', [], { expected: 'a mapping', found: 'something else' })
    return { findings: nameless.findings, refused: true }
  }
  const value = withSpec(written)
  const info = knownKind(value, nameless.report)
  if (info === undefined) return { findings: nameless.findings, refused: true }
  const metadata = readMetadata(value.metadata, info.namespaced, options.defaultNamespace, nameless.report)
  const ref = { kind: info.kind, namespace: metadata.namespace, name: metadata.name }
  const { report, findings } = collector(ref, locate)
  findings.push(...nameless.findings.map((found) => ({ ...found, object: ref })))
  const schema = schemaOf(info)
  const body = bodyOf(value, schema)
  checkValue(body, schema, [], report)
  // The API server takes an object without a spec; what its spec would have to have is missing all the same.
  if (body.spec === undefined && !hasErrors(findings)) checkValue({}, ownProperty(schema.properties, 'spec') ?? {}, ['spec'], report)
  const candidate: ApiObject = {
    apiVersion: String(value.apiVersion),
    kind: info.kind,
    metadata,
    spec: body.spec ?? {},
    ...(value.status === undefined ? {} : { status: value.status }),
    ...(source === undefined ? {} : { source }),
  }
  // The schema has just been checked, which is what the generated type says; semantic checks only run on what it accepts.
  const object = candidate as AnyApiObject
  if (!hasErrors(findings)) checkSemantics(object, report, options)
  const refused = hasErrors(findings)
  reportNotInForce(object, info, schema, report)
  if (!refused) {
    const suppressed = suppressedCodes(object)
    return { object, findings: findings.filter((found) => !isSuppressed(found, suppressed)), refused }
  }
  const denying = info.group === SECURITY_GROUP && metadata.name !== '' ? unreadable(candidate) : undefined
  return { ...(denying === undefined ? {} : { object: denying }), findings, refused }
}

const SECURITY_GROUP = 'security.istio.io'

/** Keeps the selector when that much is readable; without it the object selects its whole namespace, which denies more, not less. */
function unreadable(candidate: ApiObject): AnyApiObject {
  const selector = isRecord(candidate.spec) ? candidate.spec.selector : undefined
  const labels = isRecord(selector) ? selector.matchLabels : undefined
  const readable = isRecord(labels) && Object.values(labels).every((value) => typeof value === 'string')
  // A spec with a selector and nothing else is a valid spec of every kind of the security group.
  return { ...candidate, spec: readable ? { selector: { matchLabels: labels } } : {}, unreadable: true } as AnyApiObject
}

function knownKind(value: Readonly<Record<string, unknown>>, report: Report): KindInfo | undefined {
  const { kind, apiVersion } = value
  if (typeof kind !== 'string') report('LTN0111', ['kind'], { field: 'kind' })
  if (typeof apiVersion !== 'string') report('LTN0111', ['apiVersion'], { field: 'apiVersion' })
  if (typeof kind !== 'string' || typeof apiVersion !== 'string') return undefined
  const info = kindInfo(kind)
  if (info !== undefined && apiVersionsOf(info).includes(apiVersion)) return info
  const suggestion = info === undefined ? suggestKind(kind) : `; ${kind} is served as ${apiVersionsOf(info).join(', ')}`
  report('LTN0105', info === undefined ? ['kind'] : ['apiVersion'], { kind, apiVersion, suggestion })
  return undefined
}

function suggestKind(kind: string): string {
  const nearest = suggest(
    kind,
    kinds.map((info) => info.kind),
  )
  return nearest === undefined ? '' : `; did you mean '${nearest}'?`
}

/** Metadata has its own reader and status is ours to write: the schema is asked about the rest. */
function bodyOf(value: Readonly<Record<string, unknown>>, schema: SchemaNode): Readonly<Record<string, unknown>> {
  const { metadata: _metadata, status: _status, ...body } = value
  const kept = withoutNulls(body, schema)
  return isRecord(kept) ? kept : body
}
