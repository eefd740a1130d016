// From a parsed value to an API object: envelope, metadata, schema, the kind's own checks, what is not in force.
// Called by read-yaml.ts (with positions) and by the Kubernetes source and the webhook (without).
// Invariant: an object comes back only when it has no error that would make its meaning unclear; 'not in force' never takes it away.
import { suggest } from '../base/suggest.ts'
import type { CheckOptions } from './check-options.ts'
import type { Finding } from './finding.ts'
import { hasErrors } from './finding.ts'
import { reportNotInForce } from './in-force.ts'
import { type AnyApiObject, apiVersionsOf, type KindInfo, kindInfo, kinds, schemaOf } from './kinds.ts'
import { readMetadata } from './metadata.ts'
import type { ApiObject, ObjectSource } from './object-meta.ts'
import { isRecord } from './record.ts'
import { collector, type Locate, type Report } from './report.ts'
import { checkValue } from './schema/check.ts'
import type { SchemaNode } from './schema/schema-node.ts'
import { checkSemantics } from './validate/semantics.ts'

export interface Checked {
  /** Absent when the object has errors. */
  readonly object?: AnyApiObject
  readonly findings: readonly Finding[]
}

export function checkApiObject(value: unknown, locate: Locate, source: ObjectSource | undefined, options: CheckOptions): Checked {
  const nameless = collector(undefined, locate)
  if (!isRecord(value)) {
    nameless.report('LTN0112', [], { expected: 'a mapping', found: 'something else' })
    return { findings: nameless.findings }
  }
  const info = knownKind(value, nameless.report)
  if (info === undefined) return { findings: nameless.findings }
  const metadata = readMetadata(value.metadata, info.namespaced, options.defaultNamespace, nameless.report)
  const ref = { kind: info.kind, namespace: metadata.namespace, name: metadata.name }
  const { report, findings } = collector(ref, locate)
  findings.push(...nameless.findings.map((found) => ({ ...found, object: ref })))
  checkBody(value, schemaOf(info), report)
  const candidate: ApiObject = {
    apiVersion: String(value.apiVersion),
    kind: info.kind,
    metadata,
    spec: value.spec ?? {},
    ...(value.status === undefined ? {} : { status: value.status }),
    ...(source === undefined ? {} : { source }),
  }
  // The schema has just been checked, which is what the generated type says; semantic checks only run on what it accepts.
  const object = candidate as AnyApiObject
  if (!hasErrors(findings)) checkSemantics(object, report, options)
  const refused = hasErrors(findings)
  reportNotInForce(object, info, schemaOf(info), report)
  return refused ? { findings } : { object, findings }
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
function checkBody(value: Readonly<Record<string, unknown>>, schema: SchemaNode, report: Report): void {
  const { metadata: _metadata, status: _status, ...body } = value
  checkValue(body, schema, [], report)
}
