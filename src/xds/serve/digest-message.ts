// What replicas send to the leader: rows that are different from those that it has. JSON in gRPC messages, because only control planes of
// one installation speak it, and a newer one may add fields. Made by digest-report.ts, read by digest-service.ts.
// Invariant: after a whole message and all that follow it, the receiver has exactly the sender's rows.
import { fail, type Result, succeed } from '../../base/result.ts'
import type { LaggingProxy, ObjectProgress, ProxyReport } from '../../model/progress.ts'
import type { Digest } from './digest-source.ts'

export const DIGEST_PATH = '/lateen.v1.Digests/Report'

export interface DigestMessage {
  readonly replica: string
  /** What was said before is forgotten. */
  readonly whole: boolean
  readonly objects: readonly ObjectProgress[]
  readonly goneObjects: readonly string[]
  readonly proxies: readonly ProxyReport[]
  /** By node. */
  readonly goneProxies: readonly string[]
}

/** Rows per message: a few hundred kilobytes, below what one gRPC message may be. */
const ROWS = 500

interface Known {
  readonly objects: ReadonlyMap<string, ObjectProgress>
  readonly proxies: ReadonlyMap<string, ProxyReport>
}

/** Makes messages of digests: the first is whole, of the others only what is different; none when nothing is. */
export function createDigestDifference(replica: string): (digest: Digest) => readonly DigestMessage[] {
  let known: Known | undefined
  let last: Digest | undefined
  return (digest) => {
    if (digest === last) return []
    last = digest
    const { objects, proxies } = digest
    const now: Known = {
      objects: new Map(objects.map((row) => [row.object, row])),
      proxies: new Map(proxies.map((row) => [row.node, row])),
    }
    const before = known
    known = now
    const changed = objects.filter((row) => !isSameProgress(before?.objects.get(row.object), row))
    const moved = proxies.filter((row) => !isSameReport(before?.proxies.get(row.node), row))
    const goneObjects = goneOf(before?.objects, now.objects)
    const goneProxies = goneOf(before?.proxies, now.proxies)
    const messages: DigestMessage[] = []
    for (
      let at = 0;
      at < Math.max(changed.length, moved.length, goneObjects.length, goneProxies.length, before === undefined ? 1 : 0);
      at += ROWS
    ) {
      const page = <T>(rows: readonly T[]): readonly T[] => rows.slice(at, at + ROWS)
      messages.push({
        ...{ replica, whole: before === undefined && at === 0, objects: page(changed), goneObjects: page(goneObjects) },
        ...{ proxies: page(moved), goneProxies: page(goneProxies) },
      })
    }
    return messages
  }
}

/** Nothing is new: says only that the replica is there. */
export function heartbeat(replica: string): DigestMessage {
  return { replica, whole: false, objects: [], goneObjects: [], proxies: [], goneProxies: [] }
}

export function encodeDigestMessage(message: DigestMessage): Uint8Array {
  return Buffer.from(JSON.stringify(message))
}

/** The sender is a control plane of this installation, proven by its certificate; its words are checked as far as they are used. */
export function decodeDigestMessage(bytes: Buffer): Result<DigestMessage> {
  try {
    const read: Partial<DigestMessage> | null = JSON.parse(bytes.toString('utf8'))
    if (typeof read?.replica !== 'string' || read.replica === '') return fail('replica', 'a digest must name its replica')
    const { replica, whole, objects, goneObjects, proxies, goneProxies } = read
    return succeed({
      ...{ replica, whole: whole === true, objects: listOf(objects).filter(isProgress), goneObjects: listOf(goneObjects) },
      ...{ proxies: listOf(proxies).filter(isReport), goneProxies: listOf(goneProxies) },
    })
  } catch {
    return fail('', 'a digest must be JSON')
  }
}

function listOf<T>(value: readonly T[] | undefined): readonly T[] {
  return Array.isArray(value) ? value : []
}

function isProgress({ object, uid, generation, concerned, programmed, absent, lagging, absentProxies }: Partial<ObjectProgress>): boolean {
  return (
    typeof object === 'string' &&
    typeof uid === 'string' &&
    [generation, concerned, programmed, absent].every(Number.isInteger) &&
    Array.isArray(lagging) &&
    Array.isArray(absentProxies)
  )
}

function isReport({ node, proxy }: Partial<ProxyReport>): boolean {
  return typeof node === 'string' && typeof proxy === 'string'
}

function goneOf(before: ReadonlyMap<string, unknown> | undefined, now: ReadonlyMap<string, unknown>): readonly string[] {
  return before === undefined ? [] : [...before.keys()].filter((key) => !now.has(key))
}

function isSameProgress(a: ObjectProgress | undefined, b: ObjectProgress): boolean {
  return (
    a !== undefined &&
    a.uid === b.uid &&
    a.generation === b.generation &&
    a.concerned === b.concerned &&
    a.programmed === b.programmed &&
    a.absent === b.absent &&
    areSame(a.lagging, b.lagging) &&
    areSame(a.absentProxies, b.absentProxies)
  )
}

function areSame(a: readonly LaggingProxy[], b: readonly LaggingProxy[]): boolean {
  return (
    a === b ||
    (a.length === b.length &&
      a.every(({ proxy, why, message, sinceMs }, at) => {
        const other = b[at]
        return other?.proxy === proxy && other.why === why && other.message === message && other.sinceMs === sinceMs
      }))
  )
}

function isSameReport(a: ProxyReport | undefined, b: ProxyReport): boolean {
  return (
    a !== undefined &&
    a.state === b.state &&
    a.sinceMs === b.sinceMs &&
    a.connectedSinceMs === b.connectedSinceMs &&
    a.version === b.version &&
    a.rejection?.message === b.rejection?.message
  )
}
