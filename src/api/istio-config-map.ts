// A mesh's ConfigMap, ours (`lateen`, `lateen-REVISION`) or Istio's own (`istio`, `istio-REVISION`), whose text `data.mesh` is a MeshConfig,
// as an object of our kind MeshConfig: who comes from Istio brings the file along as it is. Called by read-yaml.ts for every object, and
// for the one that a control plane in a cluster reads.
// Invariant: fields keep their places when the text is a literal block (`mesh: |`), as kubectl and Helm write it.
import { type Document, parseAllDocuments } from 'yaml'
import { errorMessage } from '../base/errors.ts'
import { type FieldPath, formatPath } from './field-path.ts'
import { type Finding, findingAt } from './finding.ts'
import type { Position } from './object-meta.ts'
import { isRecord } from './record.ts'
import type { Locate } from './report.ts'

const MAX_ALIASES = 100

/** The object to check instead, and where its fields are. */
export interface Adapted {
  readonly value: unknown
  readonly locate: Locate
  readonly findings: readonly Finding[]
  /** Whether the text cannot be read at all. */
  readonly broken: boolean
}

/** Finds a field of the parsed text: as an offset in it. */
export type LocateOffset = (document: Document, path: FieldPath, at: 'key' | 'value') => number

/** Undefined: the value is something else, to be taken as it is.
 *  @param isLiteral whether the scalar at this path is a literal block, line for line as its value. */
export function adaptConfigMap(
  value: unknown,
  locate: Locate,
  isLiteral: (path: FieldPath) => boolean,
  offsetIn: LocateOffset,
): Adapted | undefined {
  if (!isRecord(value) || value.kind !== 'ConfigMap' || value.apiVersion !== 'v1') return undefined
  const { metadata, data } = value
  if (!isRecord(metadata) || typeof metadata.name !== 'string' || !/^(?:istio|lateen)(?:-|$)/.test(metadata.name)) return undefined
  if (!isRecord(data) || typeof data.mesh !== 'string') return undefined
  const text = data.mesh
  const within = placesWithin(text, locate, isLiteral(['data', 'mesh']))
  const read = readText(text)
  if (typeof read === 'string') {
    const problem = `data.mesh cannot be read (${read})`
    return { value, locate, findings: [findingAt('LTN0106', within(0), formatPath(['data', 'mesh']), { problem })], broken: true }
  }
  const { document, second, spec } = read
  const problem = second !== undefined ? 'data.mesh has more than one document' : document?.errors[0]?.message.replace(/\s*\n[\s\S]*$/, '')
  if (problem !== undefined) {
    const at = within(second?.range[0] ?? document?.errors[0]?.pos[0] ?? 0)
    return { value, locate, findings: [findingAt('LTN0101', at, formatPath(['data', 'mesh']), { problem })], broken: true }
  }
  const findings =
    data.meshNetworks === undefined || data.meshNetworks === 'networks: {}'
      ? []
      : [
          findingAt('LTN0102', locate(['data', 'meshNetworks'], 'key'), formatPath(['data', 'meshNetworks']), {
            field: 'data.meshNetworks',
          }),
        ]
  return {
    value: { apiVersion: 'lateen.dev/v1alpha1', kind: 'MeshConfig', metadata, spec },
    locate: ([head, ...rest], at) =>
      head !== 'spec' || document === undefined
        ? locate([...(head === undefined ? [] : [head]), ...rest], at)
        : within(offsetIn(document, rest, at)),
    findings,
    broken: false,
  }
}

interface InnerText {
  readonly document: Document.Parsed | undefined
  /** There should be none. */
  readonly second: Document.Parsed | undefined
  readonly spec: unknown
}

/** Or why it cannot be read: nested thousands deep, or grown by aliases. */
function readText(text: string): InnerText | string {
  try {
    const documents = parseAllDocuments(text, { prettyErrors: false, merge: true, strict: true, logLevel: 'error' })
    const [document, second] = Array.isArray(documents) ? documents : []
    const isReadable = document !== undefined && document.errors.length === 0
    return { document, second, spec: isReadable ? (document.toJS({ maxAliasCount: MAX_ALIASES }) ?? {}) : {} }
  } catch (error) {
    return errorMessage(error)
  }
}

/** An offset in the inner text as a place in the outer one. The block begins on the line after its key, two columns further in. */
function placesWithin(text: string, locate: Locate, isBlock: boolean): (offset: number) => Position | undefined {
  return (offset) => {
    const key = locate(['data', 'mesh'], 'key')
    if (key === undefined || !isBlock) return key
    const before = text.slice(0, offset)
    const line = before.split('\n').length
    return { file: key.file, line: key.line + line, column: key.column + 2 + (before.length - (before.lastIndexOf('\n') + 1)) }
  }
}
