// Gives Findings of later stages the exact place of their field. Compile knows an object's first line and a path; the file's text knows
// the rest. Pure; called by config-source.ts when Findings are shown, not when they are made: most are never looked at.
import { parsePath } from '../../api/field-path.ts'
import type { Finding } from '../../api/finding.ts'
import type { AnyApiObject } from '../../api/kinds.ts'
import { fieldFinder } from '../../api/read-yaml.ts'
import type { FileRecord } from './file-record.ts'
import type { KubeState } from './kube-state.ts'
import { withoutPauses } from './with-pauses.ts'

/** What is needed of a file: the text that its objects were read from. */
export type LocatableFile = Pick<FileRecord, 'file' | 'text' | 'stale'>

export function locateFindings(
  findings: readonly Finding[],
  state: KubeState,
  records: ReadonlyMap<string, LocatableFile>,
): readonly Finding[] {
  return withoutPauses(locateSteps(findings, state, records))
}

/** The same in pieces; what it yields is the number of Findings that it looked at. */
export function* locateSteps(
  findings: readonly Finding[],
  state: KubeState,
  records: ReadonlyMap<string, LocatableFile>,
): Generator<number, readonly Finding[]> {
  const finders = new Map<string, ReturnType<typeof fieldFinder>>()
  const located: Finding[] = []
  for (const found of findings) {
    located.push(locate(found, state, records, finders))
    yield 1
  }
  return located
}

function locate(
  found: Finding,
  state: KubeState,
  records: ReadonlyMap<string, LocatableFile>,
  finders: Map<string, ReturnType<typeof fieldFinder>>,
): Finding {
  const source = objectOf(found, state)?.source
  const record = source === undefined ? undefined : records.get(source.file)
  // A stale record's text is not the one that its objects were read from.
  if (source === undefined || record === undefined || record.stale || !isObjectsOwn(found, source)) return found
  const finder = finders.get(record.file) ?? fieldFinder(record.text)
  finders.set(record.file, finder)
  const position = finder(source, parsePath(found.path))
  return position === undefined ? found : { ...found, position }
}

function objectOf({ object }: Finding, state: KubeState): AnyApiObject | undefined {
  if (object === undefined) return undefined
  const maps: Readonly<Record<string, ReadonlyMap<string, AnyApiObject>>> = state.objects
  return maps[object.kind]?.get(`${object.namespace}/${object.name}`)
}

/** Whether the Finding has no place of its own yet, only the object's. */
function isObjectsOwn({ position, path }: Finding, source: NonNullable<AnyApiObject['source']>): boolean {
  if (path === '') return false
  return position === undefined || (position.file === source.file && position.line === source.line && position.column === source.column)
}
