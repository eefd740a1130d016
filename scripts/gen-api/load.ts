// Reads the kinds: CRDs from crds/ (the source of truth) and the small schemas of core kinds from src/api/core/.
// A YAML anchor on an object schema is that type's name in TypeScript, and its aliases are uses of the type.
import { readdirSync, readFileSync } from 'node:fs'
import { type Document, isAlias, isMap, isSeq, type Node, parseDocument } from 'yaml'

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }
export type JsonObject = { readonly [key: string]: Json }

export interface KindSource {
  readonly file: string
  readonly group: string
  readonly kind: string
  readonly plural: string
  readonly shortNames: readonly string[]
  readonly versions: readonly string[]
  readonly storage: string
  readonly namespaced: boolean
  /** The schema of the whole object. */
  readonly schema: JsonObject
  /** Object schema -> the name that its anchor gives it. Identity matters: aliases are the same object. */
  readonly names: ReadonlyMap<unknown, string>
}

export function loadKinds(root: string): readonly KindSource[] {
  const crds = ['crds', 'crds/standalone'].flatMap((folder) => yamlFiles(root, folder).map((file) => loadCrd(root, file)))
  const core = yamlFiles(root, 'src/api/core').map((file) => loadCore(root, file))
  return [...core, ...crds]
}

function yamlFiles(root: string, folder: string): readonly string[] {
  return readdirSync(root + folder)
    .filter((name) => name.endsWith('.yaml'))
    .sort()
    .map((name) => `${folder}/${name}`)
}

function loadCrd(root: string, file: string): KindSource {
  const { value, names } = parseNamed(root, file)
  const spec = objectAt(value, 'spec', file)
  const kindNames = objectAt(spec, 'names', file)
  const versions = listAt(spec, 'versions', file).map((version) => asObject(version, file))
  const served = versions.filter((version) => version.served === true).map((version) => String(version.name))
  const storage = versions.find((version) => version.storage === true) ?? fail(file, 'no version is the storage version')
  return {
    file,
    group: String(spec.group),
    kind: String(kindNames.kind),
    plural: String(kindNames.plural),
    shortNames: Array.isArray(kindNames.shortNames) ? kindNames.shortNames.map(String) : [],
    versions: served,
    storage: String(storage.name),
    namespaced: spec.scope === 'Namespaced',
    schema: objectAt(objectAt(storage, 'schema', file), 'openAPIV3Schema', file),
    names,
  }
}

function loadCore(root: string, file: string): KindSource {
  const { value, names } = parseNamed(root, file)
  return {
    file,
    group: String(value.group),
    kind: String(value.kind),
    plural: String(value.plural),
    shortNames: listAt(value, 'shortNames', file).map(String),
    versions: listAt(value, 'versions', file).map(String),
    storage: String(value.storage),
    namespaced: value.namespaced === true,
    schema: objectAt(value, 'schema', file),
    names,
  }
}

/** Parses so that an alias yields the very object of its anchor, and notes each anchor's object. */
function parseNamed(root: string, file: string): { readonly value: JsonObject; readonly names: ReadonlyMap<unknown, string> } {
  const document = parseDocument(readFileSync(root + file, 'utf8'))
  const broken = document.errors[0]
  if (broken !== undefined) fail(file, broken.message)
  const byAnchor = new Map<string, Json>()
  const names = new Map<unknown, string>()
  const value = asObject(convert(document.contents, document, byAnchor), file)
  for (const [name, object] of byAnchor) if (/^[A-Z]/.test(name)) names.set(object, name)
  return { value, names }
}

function convert(node: Node | null, document: Document, byAnchor: Map<string, Json>): Json {
  if (isAlias(node)) return byAnchor.get(node.source) ?? null
  if (isMap(node)) {
    const made: Record<string, Json> = {}
    if (node.anchor !== undefined) byAnchor.set(node.anchor, made)
    for (const { key, value } of node.items) made[String(key)] = convert(value as Node | null, document, byAnchor)
    return made
  }
  if (isSeq(node)) {
    const made = node.items.map((item) => convert(item as Node | null, document, byAnchor))
    if (node.anchor !== undefined) byAnchor.set(node.anchor, made)
    return made
  }
  return (node?.toJS(document) ?? null) as Json
}

export function asObject(value: Json | undefined, where: string): JsonObject {
  return isJsonObject(value) ? value : fail(where, 'expected a mapping')
}

export function isJsonObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function objectAt(value: JsonObject, key: string, where: string): JsonObject {
  return asObject(value[key], `${where}: ${key}`)
}

function listAt(value: JsonObject, key: string, where: string): readonly Json[] {
  const list = value[key]
  return Array.isArray(list) ? list : fail(where, `expected a list at '${key}'`)
}

function fail(where: string, message: string): never {
  throw new Error(`${where}: ${message}`)
}
