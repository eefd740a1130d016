// What this replica has to say about its proxies and the objects that they run: remembers when which generation was compiled first and who
// was connected a moment ago, and asks the rest of whoever knows it. Held by the composition root, asked by digest-report.ts.
// Invariant: a proxy that is gone is counted as long as its workload is there and it has not come back, for ABSENT_MS at most: a proxy
// that nobody hears of is no proxy that is up to date.
import type { Clock } from '../../base/clock.ts'
import { resourceTypeNames } from '../../envoy/type-urls.ts'
import type { ObjectProgress, ProxyReport } from '../../model/progress.ts'
import type { ServedResources } from '../generate/resources.ts'
import type { Concerns } from '../view/concerns.ts'
import { NO_CONCERNS } from '../view/concerns.ts'
import type { ProxyNode } from '../view/proxy-node.ts'
import type { Acknowledgement } from './acknowledged.ts'
import { type CompiledObject, type ProxyProgress, progressOf } from './digest.ts'

export interface Digest {
  readonly objects: readonly ObjectProgress[]
  readonly proxies: readonly ProxyReport[]
}

export interface DigestSourceOptions {
  readonly acknowledgements: () => readonly Acknowledgement[]
  readonly concerns: () => Promise<Concerns>
  /** Another value when `concerns` may have another answer. */
  readonly stamp: () => number
  /** Up to which compile these were a node's newest resources. */
  readonly roundOf: (node: ProxyNode, resources: ServedResources | undefined) => number
  /** What `concerns` calls a node. */
  readonly keyOf: (node: ProxyNode) => string
  readonly clock: Clock
}

export interface ObjectVersion {
  readonly uid: string
  readonly generation: number
}

export interface DigestSource {
  /** After a compile. @param objects whose identity stands for their content where they have no generation. */
  compiled(round: number, objects: Iterable<readonly [key: string, version: ObjectVersion, content: object]>): void
  digest(): Promise<Digest>
  /** Nodes that are gone and still counted: what they ran must still be known to `concerns`. */
  absent(): readonly ProxyNode[]
}

/** A proxy that hangs is cut off after 40 s; nobody looks at a status for longer than this without having looked at the proxy. */
const ABSENT_MS = 10 * 60_000
/** A proxy has so long for its first configuration before it counts as one that lags. */
const STARTING_MS = 20_000
const MAX_ABSENT = 1000

interface Absent {
  readonly node: ProxyNode
  readonly progress: ProxyProgress
}

export function createDigestSource(options: DigestSourceOptions): DigestSource {
  const { clock } = options
  let objects: ReadonlyMap<string, CompiledObject & { readonly content: object }> = new Map()
  let last: { readonly stamp: number; readonly who: string; readonly concerns: Concerns } = { stamp: -1, who: '', concerns: NO_CONCERNS }
  let connected: ReadonlyMap<string, Absent> = new Map()
  const absent = new Map<string, Absent>()
  let made:
    | {
        readonly of: typeof objects
        readonly concerns: Concerns
        readonly from: ReadonlyMap<string, ProxyProgress>
        readonly digest: Digest
      }
    | undefined

  const look = (acknowledgements: readonly Acknowledgement[]): void => {
    const now = new Map<string, Absent>()
    const nowMs = clock.nowMs()
    for (const each of acknowledgements) {
      const { node, taken, clean, sinceMs, rejections, connectedSinceMs } = each
      // Or every pod that starts would make the status of everything that it will run flap.
      if (taken === undefined && rejections.length === 0 && nowMs - connectedSinceMs < STARTING_MS) continue
      const progress: ProxyProgress = {
        ...{ proxy: nameOf(node), sinceMs, isConnected: true, rejection: joined(rejections) },
        takenRound: options.roundOf(node, taken),
        cleanRound: options.roundOf(node, clean),
      }
      const key = options.keyOf(node)
      absent.delete(key)
      // Of two streams of one proxy the newer one counts: it comes later.
      now.set(key, { node, progress })
    }
    for (const [key, { node, progress }] of connected) {
      if (!now.has(key) && absent.size < MAX_ABSENT)
        absent.set(key, { node, progress: { ...progress, isConnected: false, sinceMs: nowMs } })
    }
    for (const [key, { progress }] of absent) if (nowMs - progress.sinceMs > ABSENT_MS) absent.delete(key)
    connected = now
  }
  const concernsNow = async (): Promise<Concerns> => {
    const who = `${connected.size} ${absent.size}`
    const stamp = options.stamp()
    if (stamp !== last.stamp || who !== last.who) last = { stamp, who, concerns: await options.concerns() }
    return last.concerns
  }
  return {
    compiled(round, all) {
      const next = new Map<string, CompiledObject & { readonly content: object }>()
      for (const [key, { uid, generation }, content] of all) {
        const before = objects.get(key)
        const isSame = before?.uid === uid && before.generation === generation && (generation !== 0 || before.content === content)
        next.set(key, isSame ? before : { uid, generation, round, content })
      }
      objects = next
    },
    async digest() {
      const acknowledgements = options.acknowledgements()
      look(acknowledgements)
      const concerns = await concernsNow()
      const proxies = new Map([...absent, ...connected].map(([key, { progress }]) => [key, progress]))
      const isSame = made?.of === objects && made.concerns === concerns && areSame(made.from, proxies)
      // Most of the time nothing is new, and finding that out is all that a digest costs.
      if (made === undefined || !isSame) {
        const digest = { objects: progressOf({ objects, concerns, proxies }), proxies: acknowledgements.map(reportOf) }
        made = { of: objects, concerns, from: proxies, digest }
      }
      return made.digest
    },
    absent: () => [...absent.values()].map(({ node }) => node),
  }
}

function nameOf({ namespace, workload }: ProxyNode): string {
  return `${namespace}/${workload}`
}

/** Of several the first; a refusal that does not say of whom it is could be of all. */
function joined(rejections: Acknowledgement['rejections']): ProxyProgress['rejection'] {
  const [first] = rejections
  if (first === undefined) return undefined
  const isNamed = rejections.every(({ objects }) => objects.length > 0)
  return { message: first.message, objects: isNamed ? rejections.flatMap(({ objects }) => objects) : [] }
}

function reportOf({ node, connectedSinceMs, isCurrent, sinceMs, rejections }: Acknowledgement): ProxyReport {
  const [rejection] = rejections
  const state = rejection !== undefined ? 'rejected' : isCurrent ? 'synced' : 'waiting'
  return {
    ...{ proxy: nameOf(node), node: node.id, version: node.version ?? '', connectedSinceMs, state, sinceMs },
    ...(rejection === undefined
      ? {}
      : {
          rejection: {
            type: resourceTypeNames[rejection.typeUrl] ?? rejection.typeUrl,
            message: rejection.message.slice(0, 1000),
            resources: rejection.resources.slice(0, 20),
            objects: rejection.objects.slice(0, 20),
          },
        }),
  }
}

function areSame(a: ReadonlyMap<string, ProxyProgress>, b: ReadonlyMap<string, ProxyProgress>): boolean {
  if (a.size !== b.size) return false
  for (const [key, now] of b) {
    const before = a.get(key)
    if (before?.takenRound !== now.takenRound || before.cleanRound !== now.cleanRound || before.sinceMs !== now.sinceMs) return false
    if (before.isConnected !== now.isConnected || before.rejection?.message !== now.rejection?.message) return false
  }
  return true
}
