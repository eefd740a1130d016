// What is known of one file: the objects that it puts into force and what there is to say about it. Called by directory.ts.
// It pauses while it reads, so that a file of megabytes delays nothing else.
// Invariant: a file with errors keeps the objects of its last good reading, so that a slip takes no routes away. New security objects
// with errors are the exception: they deny from the first moment.
import type { CheckOptions } from '../../api/check-options.ts'
import { type Finding, findingAt } from '../../api/finding.ts'
import type { AnyApiObject } from '../../api/kinds.ts'
import { keyOf } from '../../api/object-meta.ts'
import { readYamlSteps } from '../../api/read-yaml.ts'
import { canonicalJson } from '../../base/content-hash.ts'
import { withPauses } from './with-pauses.ts'

export interface FileRecord {
  /** As a user would type it. */
  readonly file: string
  readonly text: string
  readonly modifiedMs: number
  readonly objects: readonly AnyApiObject[]
  readonly findings: readonly Finding[]
  /** Whether `objects` come from an earlier reading than the file's present text. */
  readonly stale: boolean
}

/** A few milliseconds of work each. */
export const PAUSE_AFTER_CHARACTERS = 4096
const PAUSE_AFTER_OBJECTS = 100

export async function readFileRecord(
  previous: FileRecord | undefined,
  file: string,
  text: string,
  modifiedMs: number,
  options: CheckOptions,
): Promise<FileRecord> {
  if (isForeignJson(file, text)) return { file, text, modifiedMs, objects: [], findings: [], stale: false }
  const read = await withPauses(readYamlSteps(text, file, options), PAUSE_AFTER_CHARACTERS)
  if (!read.broken) {
    const objects = await withPauses(keepUnchanged(previous?.objects ?? [], read.objects), PAUSE_AFTER_OBJECTS)
    return { file, text, modifiedMs, objects, findings: read.findings, stale: false }
  }
  const lastGood = previous?.objects ?? []
  const known = new Set(lastGood.map(nameOf))
  const denying = read.objects.filter((object) => object.unreadable === true && !known.has(nameOf(object)))
  const objects = lastGood.length > 0 ? [...lastGood, ...denying] : read.objects
  const position = read.findings.find(({ severity }) => severity === 'error')?.position ?? { file, line: 1, column: 1 }
  const kept = findingAt('LTN0108', position, '', { kept: keptSentence(lastGood.length, read.objects.length) })
  const stale = lastGood.length > 0
  // The time of the content, not of the slip: or breaking a file would put its old content above what was applied since.
  const contentMs = stale ? (previous?.modifiedMs ?? modifiedMs) : modifiedMs
  return { file, text, modifiedMs: contentMs, objects, findings: [...read.findings, kept], stale }
}

/** A file that exists but cannot be read says nothing about what its author wants: all stays as it is. */
export function unreadableFileRecord(previous: FileRecord | undefined, file: string, problem: string): FileRecord {
  const objects = previous?.objects ?? []
  const findings = [
    findingAt('LTN0101', { file, line: 1, column: 1 }, '', { problem }),
    findingAt('LTN0108', { file, line: 1, column: 1 }, '', { kept: keptSentence(objects.length, 0) }),
  ]
  return { file, text: previous?.text ?? '', modifiedMs: previous?.modifiedMs ?? 0, objects, findings, stale: objects.length > 0 }
}

function keptSentence(lastGood: number, readable: number): string {
  if (lastGood > 0) return `its last good content (${count(lastGood)}) stays in force`
  if (readable > 0) return `only what is readable in it (${count(readable)}) is in force`
  return 'nothing of it is in force'
}

function count(objects: number): string {
  return objects === 1 ? '1 object' : `${objects} objects`
}

/** package.json and its like lie about in any directory: JSON that does not claim to be an API object is none of ours. */
function isForeignJson(file: string, text: string): boolean {
  return file.endsWith('.json') && !(text.includes('"apiVersion"') && text.includes('"kind"'))
}

/** The previous object wherever it says the same, so that compile finds what it has compiled already. */
function* keepUnchanged(previous: readonly AnyApiObject[], objects: readonly AnyApiObject[]): Generator<number, readonly AnyApiObject[]> {
  const before = new Map(previous.map((object) => [nameOf(object), object]))
  const kept: AnyApiObject[] = []
  for (const object of objects) {
    const known = before.get(nameOf(object))
    kept.push(known !== undefined && canonicalJson(known) === canonicalJson(object) ? known : object)
    yield 1
  }
  return kept
}

/** Unique over all kinds. */
export function nameOf(object: AnyApiObject): string {
  return `${object.kind}/${keyOf(object)}`
}
