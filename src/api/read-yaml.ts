// Text to API objects, with the place of every problem. Called by the directory source, `lateen apply` and `lateen analyze`.
// Invariant: nothing in a text throws. A document that cannot be read costs its own objects only, never those of its neighbours;
// sizes, nesting and aliases are bounded, because the text may come from anybody.
import { type Alias, type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseAllDocuments } from 'yaml'
import { errorMessage } from '../base/errors.ts'
import { type Result, succeed } from '../base/result.ts'
import { checkApiObject } from './check-object.ts'
import type { CheckOptions } from './check-options.ts'
import type { FieldPath } from './field-path.ts'
import { type Finding, findingAt } from './finding.ts'
import type { AnyApiObject } from './kinds.ts'
import type { ObjectSource, Position } from './object-meta.ts'
import { isRecord } from './record.ts'
import type { Locate } from './report.ts'

const MAX_TEXT_LENGTH = 16 * 1024 * 1024
const MAX_ALIASES = 100

export interface ReadText {
  readonly objects: readonly AnyApiObject[]
  readonly findings: readonly Finding[]
  /** Whether something in the text could not be taken as it is. */
  readonly broken: boolean
}

export function readYaml(text: string, file: string, options: CheckOptions): ReadText {
  const start: Position = { file, line: 1, column: 1 }
  if (text.length > MAX_TEXT_LENGTH) {
    const problem = `has ${text.length} characters; the limit is ${MAX_TEXT_LENGTH}`
    return { objects: [], findings: [findingAt('LTN0106', start, '', { problem })], broken: true }
  }
  const lines = new LineCounter()
  const parsed = parse(text, lines, start)
  if (!parsed.ok) return { objects: [], findings: parsed.problems, broken: true }
  const read = parsed.value.map((document, index) => readDocument(document, lines, file, index, options))
  return {
    objects: read.flatMap(({ objects }) => objects),
    findings: read.flatMap(({ findings }) => findings),
    broken: read.some(({ broken }) => broken),
  }
}

/** Finds fields of objects in a text that was read before: `at(source, path)` is the field's place, or undefined. Parses once, on first use. */
export function fieldFinder(text: string): (source: ObjectSource, path: FieldPath) => Position | undefined {
  const lines = new LineCounter()
  let documents: readonly Document[] | undefined
  return (source, path) => {
    if (documents === undefined) {
      const parsed = parse(text, lines, { file: source.file, line: 1, column: 1 })
      documents = parsed.ok ? parsed.value : []
    }
    const document = documents[source.document]
    if (document === undefined || document.errors.length > 0) return undefined
    return locator(document, lines, source.file)(source.item === undefined ? path : ['items', source.item, ...path], 'value')
  }
}

function parse(text: string, lines: LineCounter, start: Position): Result<readonly Document[], Finding> {
  try {
    const parsed = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false, merge: true, strict: true })
    return succeed(Array.isArray(parsed) ? parsed.filter((document) => document.contents !== null || document.errors.length > 0) : [])
  } catch (error) {
    // The parser recurses: only a text that is nested thousands deep gets here.
    return { ok: false, problems: [findingAt('LTN0106', start, '', { problem: `is nested too deeply (${errorMessage(error)})` })] }
  }
}

function readDocument(document: Document, lines: LineCounter, file: string, index: number, options: CheckOptions): ReadText {
  if (document.errors.length > 0) {
    const findings = document.errors.map((error) =>
      findingAt('LTN0101', positionOf(error.pos[0], lines, file), '', { problem: yamlProblem(error) }),
    )
    return { objects: [], findings, broken: true }
  }
  const start = positionOf(firstOffset(document), lines, file)
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
  const locate = locator(document, lines, file)
  if (isList(value)) return readList(value.items, locate, start, index, options)
  return collect([checkApiObject(value, locate, { ...start, document: index }, options)])
}

function readList(items: readonly unknown[], locate: Locate, start: Position, document: number, options: CheckOptions): ReadText {
  return collect(
    items.map((value, item) => {
      const within: Locate = (path, at) => locate(['items', item, ...path], at)
      const position = locate(['items', item], 'value') ?? start
      return checkApiObject(value, within, { ...position, document, item }, options)
    }),
  )
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

function positionOf(offset: number, lines: LineCounter, file: string): Position {
  const { line, col } = lines.linePos(offset)
  return { file, line, column: col }
}

function firstOffset(document: Document): number {
  return document.contents?.range?.[0] ?? document.range?.[0] ?? 0
}

/** Finds a field's place by walking the document's nodes; a field that is missing is placed at its nearest parent. */
function locator(document: Document, lines: LineCounter, file: string): Locate {
  return (path, at) => {
    let node: Node | null | undefined = document.contents
    let offset = firstOffset(document)
    for (const [index, step] of path.entries()) {
      const found = childOf(resolve(node, document), step)
      if (found === undefined) break
      node = found.value
      const last = index === path.length - 1
      const useValue = isScalar(node) && (!last || at === 'value') && node.range?.[0] !== undefined
      offset = (useValue || found.keyOffset === undefined ? node?.range?.[0] : found.keyOffset) ?? found.keyOffset ?? offset
    }
    return positionOf(offset, lines, file)
  }
}

function resolve(node: Node | null | undefined, document: Document): Node | null | undefined {
  return isAlias(node) ? (node as Alias).resolve(document) : node
}

function childOf(
  node: Node | null | undefined,
  step: FieldPath[number],
): { readonly value: Node | null; readonly keyOffset?: number } | undefined {
  if (isSeq(node) && typeof step === 'number') {
    const item = node.items[step]
    return item === undefined ? undefined : { value: item as Node }
  }
  if (!isMap(node)) return undefined
  for (const { key, value } of node.items) {
    if (!isScalar(key) || String(key.value) !== String(step)) continue
    const keyOffset = key.range?.[0]
    return { value: value as Node | null, ...(keyOffset === undefined ? {} : { keyOffset }) }
  }
  return undefined
}
