// From files and applied objects to one set of objects. Pure; called by config-source.ts.
// Invariant: exactly one definition of each object is in force. Between files the first name wins; between a file and an applied
// object the newer one does.
import { type Finding, findingAt } from '../../api/finding.ts'
import type { AnyApiObject } from '../../api/kinds.ts'
import { formatRef, type ObjectSource, refOf } from '../../api/object-meta.ts'
import { type FileRecord, nameOf } from './file-record.ts'
import { withoutPauses } from './with-pauses.ts'

export interface AppliedObject {
  readonly object: AnyApiObject
  readonly findings: readonly Finding[]
  readonly appliedMs: number
}

export interface Merged {
  readonly objects: readonly AnyApiObject[]
  readonly findings: readonly Finding[]
}

interface Defined {
  readonly object: AnyApiObject
  readonly modifiedMs: number
}

export function mergeSources(files: Iterable<FileRecord>, applied: ReadonlyMap<string, AppliedObject>): Merged {
  return withoutPauses(mergeSteps(files, applied))
}

/** The same in pieces; what it yields is the number of objects that it looked at. */
export function* mergeSteps(files: Iterable<FileRecord>, applied: ReadonlyMap<string, AppliedObject>): Generator<number, Merged> {
  const findings: Finding[] = []
  const defined = new Map<string, Defined>()
  for (const record of [...files].sort((a, b) => (a.file < b.file ? -1 : 1))) {
    for (const found of record.findings) findings.push(found)
    for (const object of record.objects) {
      const first = defined.get(nameOf(object))
      if (first === undefined) defined.set(nameOf(object), { object, modifiedMs: record.modifiedMs })
      else findings.push(duplicate(object, first.object))
      yield 1
    }
  }
  for (const [name, { object, findings: own, appliedMs }] of applied) {
    yield 1
    const first = defined.get(name)
    if (first !== undefined && first.modifiedMs >= appliedMs) continue
    findings.push(...own)
    if (first !== undefined) findings.push(shadowed(first.object))
    defined.set(name, { object, modifiedMs: appliedMs })
  }
  return { objects: [...defined.values()].map(({ object }) => object), findings }
}

function duplicate(object: AnyApiObject, first: AnyApiObject): Finding {
  const made = findingAt('LTN0107', object.source, '', { object: formatRef(refOf(object)), other: formatPlace(first.source) })
  return { ...made, object: refOf(object) }
}

function shadowed(object: AnyApiObject): Finding {
  const params = { object: formatRef(refOf(object)), file: object.source?.file ?? 'the file' }
  return { ...findingAt('LTN0100', object.source, '', params), object: refOf(object) }
}

/** `file:line`, or a word for an object that no file defines. */
export function formatPlace(source: ObjectSource | undefined): string {
  return source === undefined ? 'an applied object' : `${source.file}:${source.line}`
}
