// Text to API objects, with the place of every problem. Called by the directory source, `lateen apply` and `lateen analyze`.
// Invariant: nothing in a text throws. A document that cannot be read costs its own objects only, never those of its neighbours;
// sizes, nesting and aliases are bounded, because the text may come from anybody.
import { type Document, parseAllDocuments } from 'yaml'
import { errorMessage } from '../base/errors.ts'
import { type Result, succeed } from '../base/result.ts'
import { checkApiObject } from './check-object.ts'
import type { CheckOptions } from './check-options.ts'
import { isClusterKind } from './cluster-kinds.ts'
import type { FieldPath } from './field-path.ts'
import { type Finding, findingAt } from './finding.ts'
import { adaptConfigMap } from './istio-config-map.ts'
import type { AnyApiObject } from './kinds.ts'
import type { ObjectSource, Position } from './object-meta.ts'
import { isRecord } from './record.ts'
import type { Locate } from './report.ts'
import { isSecretObject } from './secret-object.ts'
import { type Chunk, documentChunks, itemChunks } from './yaml-chunks.ts'
import { firstOffset, isLiteralBlock, locator, offsetIn, type Places, placesIn } from './yaml-places.ts'

const MAX_TEXT_LENGTH = 16 * 1024 * 1024
/** Of one piece that is parsed at once: a second of work. What is longer comes from programs, which write JSON. */
const MAX_DOCUMENT_LENGTH = 256 * 1024
/** A List longer than this is read item by item. */
const LONG_LIST_LENGTH = 64 * 1024
const MAX_ALIASES = 100

export interface ReadText {
  readonly objects: readonly AnyApiObject[]
  readonly findings: readonly Finding[]
  /** Whether something in the text could not be taken as it is. */
  readonly broken: boolean
}

export function readYaml(text: string, file: string, options: CheckOptions): ReadText {
  const steps = readYamlSteps(text, file, options)
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

/** The same in pieces: whoever drives it may do something else after each. What it yields is the number of characters read since. */
export function* readYamlSteps(text: string, file: string, options: CheckOptions): Generator<number, ReadText> {
  const start: Position = { file, line: 1, column: 1 }
  if (text.length > MAX_TEXT_LENGTH) return tooLarge(start, `has ${text.length} characters; the limit is ${MAX_TEXT_LENGTH}`)
  const reader: Reader = { file, options, objects: [], findings: [], broken: false }
  if (text.length > MAX_DOCUMENT_LENGTH && /^\s*[{[]/.test(text)) yield* readLongJson(text, reader)
  else for (const [document, chunk] of documentChunks(text).entries()) yield* readChunk(chunk, document, reader)
  const { objects, findings, broken } = reader
  return { objects, findings, broken }
}

interface Reader {
  readonly file: string
  readonly options: CheckOptions
  readonly objects: AnyApiObject[]
  readonly findings: Finding[]
  broken: boolean
}

function take(reader: Reader, { objects, findings, broken }: ReadText): void {
  for (const object of objects) reader.objects.push(object)
  for (const found of findings) reader.findings.push(found)
  reader.broken ||= broken
}

function tooLarge(position: Position, problem: string): ReadText {
  return { objects: [], findings: [findingAt('LTN0106', position, '', { problem })], broken: true }
}

function* readChunk(chunk: Chunk, index: number, reader: Reader): Generator<number> {
  const list = chunk.text.length > LONG_LIST_LENGTH ? itemChunks(chunk) : undefined
  if (list !== undefined && isListFrame(list.frame.text)) {
    for (const item of list.items) {
      take(reader, readPiece(item, index, reader))
      yield item.text.length
    }
    return
  }
  take(reader, readPiece(chunk, index, reader))
  yield chunk.text.length
}

function readPiece(chunk: Chunk, index: number, { file, options }: Reader): ReadText {
  const start: Position = { file, line: chunk.linesBefore + 1, column: 1 }
  const { length } = chunk.text
  if (length > MAX_DOCUMENT_LENGTH) return tooLarge(start, `has a document of ${length} characters; the limit is ${MAX_DOCUMENT_LENGTH}`)
  const place = placesIn(chunk, file)
  const parsed = parse(chunk.text, start)
  if (!parsed.ok) return { objects: [], findings: parsed.problems, broken: true }
  const item = chunk.item === undefined ? {} : { item: chunk.item }
  const read = parsed.value.map((document, number) => readDocument(document, place, { document: index + number, ...item }, options))
  return joined(read)
}

function isListFrame(text: string): boolean {
  return text.length < MAX_DOCUMENT_LENGTH && /^kind:[ \t]*["']?\w*List["']?[ \t]*(?:#.*)?\r?$/m.test(text)
}

/** JSON of that size is a program's: read without places, by the parser that is thirty times as fast. */
function* readLongJson(text: string, reader: Reader): Generator<number> {
  const start: Position = { file: reader.file, line: 1, column: 1 }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    take(reader, { objects: [], findings: [findingAt('LTN0101', start, '', { problem: errorMessage(error) })], broken: true })
    return
  }
  const values = isList(value) ? value.items : [value]
  const each = text.length / Math.max(1, values.length)
  for (const [item, one] of values.entries()) {
    const source = { ...start, document: 0, ...(isList(value) ? { item } : {}) }
    take(
      reader,
      readObject(one, () => start, undefined, source, reader.options),
    )
    yield each
  }
}

/** Finds fields of objects in a text that was read before: `at(source, path)` is the field's place, or undefined. Parses a document on
 *  first use, and keeps it: Findings of one object come together. */
export function fieldFinder(text: string): (source: ObjectSource, path: FieldPath) => Position | undefined {
  const chunks = documentChunks(text)
  let last: { readonly key: string; readonly documents: readonly Document[]; readonly place: Places; readonly inList: boolean } | undefined
  const find = (source: ObjectSource): typeof last => {
    const key = `${source.document}/${source.item}`
    if (last?.key === key) return last
    const whole = chunks.length === 1 ? chunks[0] : chunks[source.document]
    if (whole === undefined) return undefined
    const list = source.item === undefined || whole.text.length <= LONG_LIST_LENGTH ? undefined : itemChunks(whole)
    const chunk = list === undefined ? whole : list.items[source.item ?? -1]
    if (chunk === undefined || chunk.text.length > MAX_DOCUMENT_LENGTH) return undefined
    const place = placesIn(chunk, source.file)
    const parsed = parse(chunk.text, { file: source.file, line: 1, column: 1 })
    last = { key, documents: parsed.ok ? parsed.value : [], place, inList: list === undefined && source.item !== undefined }
    return last
  }
  return (source, path) => {
    const found = find(source)
    const document = found?.documents[chunks.length === 1 ? source.document : 0]
    if (found === undefined || document === undefined || document.errors.length > 0) return undefined
    const base: FieldPath = found.inList ? ['items', source.item ?? 0] : []
    const within: Locate = (field, at) => locator(document, found.place)([...base, ...field], at)
    const isConfigMap = document.getIn([...base, 'kind']) === 'ConfigMap'
    const value: unknown = isConfigMap ? document.toJS({ maxAliasCount: MAX_ALIASES }) : undefined
    const one = found.inList && isList(value) ? value.items[source.item ?? 0] : value
    const adapted = adaptConfigMap(one, within, (field) => isLiteralBlock(document, [...base, ...field]), offsetIn)
    return (adapted?.locate ?? within)(path, 'value')
  }
}

function parse(text: string, start: Position): Result<readonly Document[], Finding> {
  try {
    const parsed = parseAllDocuments(text, { prettyErrors: false, merge: true, strict: true, logLevel: 'error' })
    return succeed(Array.isArray(parsed) ? parsed.filter((document) => document.contents !== null || document.errors.length > 0) : [])
  } catch (error) {
    // The parser recurses: only a text that is nested thousands deep gets here.
    return { ok: false, problems: [findingAt('LTN0106', start, '', { problem: `is nested too deeply (${errorMessage(error)})` })] }
  }
}

function readDocument(
  document: Document,
  place: Places,
  at: { readonly document: number; readonly item?: number },
  options: CheckOptions,
): ReadText {
  if (document.errors.length > 0) {
    const findings = document.errors.map((error) => findingAt('LTN0101', place(error.pos[0]), '', { problem: yamlProblem(error) }))
    return { objects: [], findings, broken: true }
  }
  const start = place(firstOffset(document))
  let value: unknown
  try {
    value = document.toJS({ maxAliasCount: MAX_ALIASES })
  } catch (error) {
    const message = errorMessage(error)
    const unknownAlias = /^Unresolved alias.*: (.*)$/.exec(message)?.[1]
    const found =
      unknownAlias === undefined
        ? findingAt('LTN0106', start, '', { problem: `uses too many aliases (${message})` })
        : findingAt('LTN0101', start, '', { problem: `the alias '*${unknownAlias}' has no anchor before it` })
    return { objects: [], findings: [found], broken: true }
  }
  if (value === null) return { objects: [], findings: [], broken: false }
  const locate = locator(document, place)
  if (isList(value) && at.item === undefined) return readList(value.items, locate, start, document, at.document, options)
  return readObject(value, locate, document, { ...start, ...at }, options)
}

function readList(
  items: readonly unknown[],
  locate: Locate,
  start: Position,
  of: Document,
  document: number,
  options: CheckOptions,
): ReadText {
  return joined(
    items.map((value, item) => {
      const within: Locate = (path, at) => locate(['items', item, ...path], at)
      const position = locate(['items', item], 'value') ?? start
      return readObject(value, within, of, { ...position, document, item }, options, ['items', item])
    }),
  )
}

/** @param document undefined: nothing is known of places. @param base where in the document the object is. */
function readObject(
  value: unknown,
  locate: Locate,
  document: Document | undefined,
  source: ObjectSource,
  options: CheckOptions,
  base: FieldPath = [],
): ReadText {
  if (options.refusesSecrets !== true && isSecretObject(value)) return { objects: [], findings: [], broken: false }
  const isLiteral = (path: FieldPath): boolean => document !== undefined && isLiteralBlock(document, [...base, ...path])
  const adapted = adaptConfigMap(value, locate, isLiteral, offsetIn)
  if (adapted === undefined && options.isForCluster === true && isClusterKind(value)) return { objects: [], findings: [], broken: false }
  if (adapted === undefined) return collect([checkApiObject(value, locate, source, options)])
  if (adapted.broken) return { objects: [], findings: adapted.findings, broken: true }
  const read = collect([checkApiObject(adapted.value, adapted.locate, source, options)])
  return { ...read, findings: [...adapted.findings, ...read.findings] }
}

function joined(parts: readonly ReadText[]): ReadText {
  return {
    objects: parts.flatMap(({ objects }) => objects),
    findings: parts.flatMap(({ findings }) => findings),
    broken: parts.some(({ broken }) => broken),
  }
}

function collect(checked: readonly ReturnType<typeof checkApiObject>[]): ReadText {
  return {
    objects: checked.flatMap(({ object }) => (object === undefined ? [] : [object])),
    findings: checked.flatMap(({ findings }) => findings),
    broken: checked.some(({ refused }) => refused),
  }
}

function isList(value: unknown): value is { readonly items: readonly unknown[] } {
  return isRecord(value) && typeof value.kind === 'string' && value.kind.endsWith('List') && Array.isArray(value.items)
}

function yamlProblem(error: { readonly code: string; readonly message: string }): string {
  if (error.code === 'DUPLICATE_KEY') return 'a key occurs twice in the same mapping'
  return error.message.charAt(0).toLowerCase() + error.message.slice(1).replace(/\s*\n[\s\S]*$/, '')
}
