// Where things stand in a YAML text: a field's node and its offset, an offset's line and column. Used by read-yaml.ts.
// Invariant: every path has a place; a field that is missing is placed at its nearest parent.
import { type Alias, type Document, isAlias, isMap, isScalar, isSeq, type Node } from 'yaml'
import type { FieldPath } from './field-path.ts'
import type { Position } from './object-meta.ts'
import type { Locate } from './report.ts'
import type { Chunk } from './yaml-chunks.ts'

/** An offset in a chunk as a place in the whole text. Lines are counted here: the parser's own count skips some of a broken scalar. */
export type Places = (offset: number) => Position

export function placesIn(chunk: Chunk, file: string): Places {
  let starts: readonly number[] | undefined
  return (offset) => {
    starts ??= [0, ...Array.from(chunk.text.matchAll(/\n/g), ({ index }) => index + 1)]
    // The parser places what is missing at the end one step beyond it.
    const at = Math.min(offset, chunk.text.length)
    let [low, high] = [0, starts.length - 1]
    while (low < high) {
      const middle = Math.ceil((low + high) / 2)
      if ((starts[middle] ?? 0) <= at) low = middle
      else high = middle - 1
    }
    return { file, line: chunk.linesBefore + low + 1, column: at - (starts[low] ?? 0) + 1 }
  }
}

export function firstOffset(document: Document): number {
  return document.contents?.range?.[0] ?? document.range?.[0] ?? 0
}

/** Finds a field's place by walking the document's nodes; a field that is missing is placed at its nearest parent. */
export function locator(document: Document, place: Places): Locate {
  return (path, at) => place(offsetIn(document, path, at))
}

export function offsetIn(document: Document, path: FieldPath, at: 'key' | 'value'): number {
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
  return offset
}

/** Whether the value is a scalar of the form `|`, line for line as it is meant. */
export function isLiteralBlock(document: Document, path: FieldPath): boolean {
  const node = document.getIn(path, true)
  return isScalar(node) && node.type === 'BLOCK_LITERAL'
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
