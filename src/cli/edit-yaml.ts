// Applies a JSON patch to YAML text: what the patch does not name keeps its comments, its order and its style. Called by kube-inject.
// Invariant: a document that is not changed keeps every character.
import { type Alias, type Document, isAlias, isCollection, isMap, isScalar, isSeq, type Node, visit } from 'yaml'
import { LateenError } from '../base/errors.ts'
import type { PatchOperation } from '../webhook/json-patch.ts'

export type YamlPath = readonly (string | number)[]

/** @param at where the patched value stands in the document. */
export function patchDocument(document: Document, at: YamlPath, patch: readonly PatchOperation[]): void {
  if (patch.length === 0) return
  resolveAliases(document)
  for (const operation of patch) apply(document, at, operation)
}

/** Labels are often written once and referred to: what is added for the pod must not reach the other place. */
function resolveAliases(document: Document): void {
  visit(document, {
    Alias: (_key, alias: Alias) => {
      const copy = alias.resolve(document)?.clone()
      if (copy === undefined) throw new LateenError('YAML_ALIAS', `The alias *${alias.source} refers to nothing.`)
      return copy as Node
    },
  })
  visit(document, {
    Node: (_key, node) => {
      if (!isAlias(node)) delete node.anchor
    },
  })
}

function apply(document: Document, at: YamlPath, operation: PatchOperation): void {
  const tokens = operation.path
    .split('/')
    .slice(1)
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'))
  const whole: (string | number)[] = [...at, ...tokens]
  const parentPath = whole.slice(0, -1)
  const last = whole.at(-1) ?? ''
  const parent = parentNode(document, parentPath)
  if (isSeq(parent)) {
    const index = Number(last)
    const fresh = operation.op === 'remove' ? [] : [document.createNode(operation.value)]
    parent.items.splice(index, operation.op === 'add' ? 0 : 1, ...fresh)
  } else if (operation.op === 'remove') document.deleteIn(whole)
  else if (isMap(parent)) setValue(document, parent, last, operation.value)
  else document.setIn(whole, document.createNode(operation.value))
}

/** A key that is there keeps its comment; text that was quoted stays quoted. */
function setValue(
  document: Document,
  parent: { get(key: unknown, keep: true): unknown; set(key: unknown, value: unknown): void },
  key: unknown,
  value: unknown,
): void {
  const there = parent.get(key, true)
  if (isScalar(there) && (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')) there.value = value
  else parent.set(key, document.createNode(value))
}

/** `metadata:` with nothing behind it becomes a mapping when something is to stand in it. */
function parentNode(document: Document, path: YamlPath): unknown {
  const found = path.length === 0 ? document.contents : document.getIn(path, true)
  if (isCollection(found)) return found
  document.setIn(path, document.createNode({}))
  return document.getIn(path, true)
}
