// The registry: which kinds exist, how they are called, and where their schema is. Asked by readers, the CLI and the Kubernetes client.
// Invariant: a kind's name is unique over all groups, so 'kind' alone is a key inside the program.
import { suggest } from '../base/suggest.ts'
import { kindRows, type ObjectByKind } from './generated/kinds.gen.ts'
import type { SchemaNode } from './schema/schema-node.ts'

export type KindName = keyof ObjectByKind
export type AnyApiObject = ObjectByKind[KindName]

export interface KindInfo {
  readonly kind: KindName
  /** Empty for Kubernetes' core group. */
  readonly group: string
  /** Served versions, newest first. */
  readonly versions: readonly string[]
  readonly storage: string
  readonly plural: string
  readonly shortNames: readonly string[]
  readonly namespaced: boolean
  /** Builds the schema: call `schemaOf`, which does it once. */
  readonly schema: () => SchemaNode
}

export const kinds: readonly KindInfo[] = kindRows

const byName: ReadonlyMap<string, KindInfo> = new Map(kinds.map((info) => [info.kind, info]))
const schemas = new Map<string, SchemaNode>()

export function kindInfo(kind: string): KindInfo | undefined {
  return byName.get(kind)
}

/** The schema of a whole object, built on first use: a program that never validates a kind never pays for it. */
export function schemaOf(info: KindInfo): SchemaNode {
  const known = schemas.get(info.kind)
  if (known !== undefined) return known
  const built = info.schema()
  schemas.set(info.kind, built)
  return built
}

/** `networking.istio.io/v1`, or `v1` in the core group. */
export function apiVersionsOf(info: KindInfo): readonly string[] {
  return info.versions.map((version) => (info.group === '' ? version : `${info.group}/${version}`))
}

/** What a person may call a kind on the command line: `vs`, `virtualservice`, `virtualservices`, `VirtualService`. */
export function findKind(word: string): { readonly info: KindInfo | undefined; readonly suggestion: string | undefined } {
  const lower = word.toLowerCase()
  const info = kinds.find(({ kind, plural, shortNames }) => [kind.toLowerCase(), plural, ...shortNames].includes(lower))
  if (info !== undefined) return { info, suggestion: undefined }
  return { info, suggestion: suggest(word, [...kinds.map(({ kind }) => kind), ...kinds.map(({ plural }) => plural)]) }
}
