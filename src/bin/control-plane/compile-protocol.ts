// What the main thread and the compile thread say to each other: plain data, copied; resources' bytes are handed over, not copied.
// compile-client.ts is one end, compile-side.ts the other. Invariant: messages of one direction arrive in the order in which they were sent,
// so a map is always announced before somebody is served with it, and dropped after.
import type { AnyApiObject, KindName } from '../../api/kinds.ts'
import type { AddressPlan } from '../../model/address-plan.ts'
import type { MeshSettings } from '../../model/mesh-settings.ts'
import type { Concerns } from '../../xds/view/concerns.ts'
import type { ProxyNode } from '../../xds/view/proxy-node.ts'
import type { FindingPages } from './finding-pages.ts'
import type { FreshFindings } from './say-findings.ts'

export interface CompileThreadData {
  readonly settings: MeshSettings
  readonly capture: 'bind' | 'redirect'
}

/** For whom resources are made. */
export type WantedNode = Pick<ProxyNode, 'namespace' | 'workload' | 'isStock' | 'type' | 'discoversVirtualHosts'>

export type ToCompileThread =
  /** A part of what the next compile is about, for changes that are too large for one message. */
  | {
      readonly kind: 'objects'
      /** What was said before is forgotten. */
      readonly whole: boolean
      readonly changed: readonly AnyApiObject[]
    }
  | {
      readonly kind: 'compile'
      readonly round: number
      readonly revision: number
      /** Everything is in here; what was said before is forgotten. */
      readonly whole: boolean
      /** What is new or different since the round before. */
      readonly changed: readonly AnyApiObject[]
      readonly removed: readonly (readonly [kind: KindName, key: string])[]
      /** Undefined: as before. */
      readonly addresses: AddressPlan | undefined
      readonly ready: readonly string[] | undefined
    }
  | { readonly kind: 'want'; readonly nodes: readonly WantedNode[] }
  | { readonly kind: 'forget'; readonly ids: readonly string[] }
  /** What is there to say about objects against each other, as of the last compile? */
  | { readonly kind: 'analyze'; readonly question: number }
  /** Which objects concern which proxies, as of the last compile? */
  | { readonly kind: 'concerns'; readonly question: number }

export interface MeshCounts {
  readonly services: number
  readonly routes: number
  readonly workloads: number
}

/** What the mesh knows of a workload, whatever its proxy says. */
export interface RunsAs {
  readonly serviceAccount: string
  readonly isGateway: boolean
}

export type FromCompileThread =
  | {
      readonly kind: 'compiled'
      readonly round: number
      /** Undefined: as before. */
      readonly findings: FindingPages | undefined
      readonly fresh: FreshFindings
      readonly counts: MeshCounts
      /** By workload; undefined: as before. */
      readonly runsAs: ReadonlyMap<string, RunsAs> | undefined
    }
  | { readonly kind: 'analyzed'; readonly question: number; readonly findings: FindingPages }
  | { readonly kind: 'concerned'; readonly question: number; readonly concerns: Concerns }
  | { readonly kind: 'failed'; readonly round: number; readonly reason: string }
  | MapMessage
  | { readonly kind: 'served'; readonly nodes: readonly ServedNodes[] }
  /** These newcomers have been looked at, whether or not the mesh knows them. */
  | { readonly kind: 'answered'; readonly ids: readonly string[] }
  | { readonly kind: 'drop'; readonly maps: readonly number[] }
  /** Everything wanted has been made; so long did it take since the last compile began. */
  | { readonly kind: 'settled'; readonly busyMs: number }

/** A map of resources, as its difference from one that was announced before. */
export interface MapMessage {
  readonly kind: 'map'
  readonly map: number
  readonly base: number | undefined
  readonly removed: readonly string[]
  readonly names: readonly string[]
  readonly versions: readonly string[]
  readonly lengths: readonly number[]
  /** All changed resources, one after the other. */
  readonly bytes: Uint8Array<ArrayBuffer>
}

/** What is different now for all of these: said once, because a change is mostly the same for thousands. */
export interface ServedNodes {
  readonly ids: readonly string[]
  /** All types; otherwise those that are different from what these have. */
  readonly isWhole: boolean
  readonly types: readonly ServedType[]
}

/** Shared map, own map. */
export type ServedType = readonly [typeUrl: string, shared: number, own: number]

const nodeKeys = new WeakMap<WantedNode, string>()

/** Once per object: thousands are looked at again and again. */
export function nodeKey(node: WantedNode): string {
  const known = nodeKeys.get(node) ?? makeNodeKey(node)
  nodeKeys.set(node, known)
  return known
}

function makeNodeKey({ namespace, workload, isStock, type, discoversVirtualHosts }: WantedNode): string {
  const kind = `${isStock ? ' envoy' : ''}${type === 'router' ? ' router' : ''}${discoversVirtualHosts ? '' : ' whole-tables'}`
  return `${namespace}/${workload}${kind}`
}

/** What is handed over with a message and not copied. */
export function handedOver(message: FromCompileThread): ArrayBuffer[] {
  if (message.kind === 'map') return [message.bytes.buffer]
  if (message.kind !== 'compiled' && message.kind !== 'analyzed') return []
  return (message.findings?.pages ?? []).map(({ buffer }) => buffer)
}
