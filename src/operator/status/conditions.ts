// An object's status, decided: what its Findings and the proxies' progress come to in Kubernetes' words. Pure; called by status-keeper.ts.
// Invariants: True is said of 'Programmed' only when every proxy concerned has proven it; messages are bounded. What is others' and when a
// condition changed last is kept by whoever writes (src/kube/conditions.ts).
import type { Finding } from '../../api/finding.ts'
import { isRecord } from '../../api/record.ts'
import type { LaggingProxy, ObjectTotal } from '../../model/progress.ts'
import type { FindingSummary } from './findings-by-object.ts'

export interface Condition {
  readonly type: string
  readonly status: 'True' | 'False' | 'Unknown'
  readonly reason: string
  readonly message: string
  readonly observedGeneration: number
}

export type Verdict = Omit<Condition, 'observedGeneration'>

export const OWN_TYPES = ['Accepted', 'Programmed', 'Conflicted', 'PartiallyIgnored'] as const

/** Kinds of which no proxy's configuration says that it came from them; a word on who runs them would be a guess. */
const UNTRACKED: ReadonlySet<string> = new Set(['WorkloadEntry', 'WorkloadGroup', 'ProxyConfig', 'MeshConfig'])
const MAX_MESSAGE = 1024

export function verdictsOf(kind: string, found: FindingSummary, total: ObjectTotal): readonly Verdict[] {
  return [acceptedOf(found), programmedOf(kind, found, total), conflictedOf(found), ignoredOf(found)].map((verdict) => ({
    ...verdict,
    message: bounded(verdict.message),
  }))
}

function acceptedOf({ error, errors, warning, warnings }: FindingSummary): Verdict {
  if (error !== undefined) {
    return { type: 'Accepted', status: 'False', reason: 'Invalid', message: `${sentence(error)}${others(errors - 1, 'error')}` }
  }
  const message = warning === undefined ? 'the object has no errors' : `${sentence(warning)}${others(warnings - 1, 'warning')}`
  return { type: 'Accepted', status: 'True', reason: warning === undefined ? 'Valid' : 'ValidWithWarnings', message }
}

function programmedOf(kind: string, { error }: FindingSummary, total: ObjectTotal): Verdict {
  const { concerned, programmed, lagging, outdated } = total
  const verdict = (status: Verdict['status'], reason: string, message: string): Verdict => ({ type: 'Programmed', status, reason, message })
  if (UNTRACKED.has(kind)) return verdict('Unknown', 'NotTracked', `which proxies run a ${kind} is not tracked`)
  if (outdated.length > 0) {
    const count = concerned === 0 ? '' : `${programmed} of ${concerned} proxies; `
    return verdict('False', 'Pending', `${count}not compiled yet by ${outdated.slice(0, 5).join(', ')}${more(outdated.length - 5)}`)
  }
  if (concerned === 0) {
    return error === undefined
      ? verdict('Unknown', 'NoProxyConcerned', 'no connected proxy is concerned')
      : verdict('False', 'NotAccepted', 'no proxy runs any of it, because it is not accepted')
  }
  const count = `${programmed} of ${concerned} proxies`
  if (programmed >= concerned) return verdict('True', 'Programmed', count)
  const rejected = lagging.some(({ why }) => why === 'rejected')
  const isMissing = lagging.length > 0 && lagging.every(({ why }) => why === 'gone' || why === 'unknown')
  const names = lagging.map(lagSentence).join('; ')
  const rest = more(concerned - programmed - lagging.length)
  return verdict('False', rejected ? 'Rejected' : isMissing ? 'Disconnected' : 'Pending', `${count}: ${names}${rest}`)
}

function conflictedOf({ conflict, conflicts }: FindingSummary): Verdict {
  return conflict === undefined
    ? { type: 'Conflicted', status: 'False', reason: 'NoConflict', message: 'no other object claims the same' }
    : { type: 'Conflicted', status: 'True', reason: 'Conflict', message: `${sentence(conflict)}${others(conflicts - 1, 'conflict')}` }
}

function ignoredOf({ ignored, ignoredCount }: FindingSummary): Verdict {
  if (ignoredCount === 0) {
    return { type: 'PartiallyIgnored', status: 'False', reason: 'NothingIgnored', message: 'every field that is set has an effect' }
  }
  const message = `${ignored.map(sentence).join('; ')}${more(ignoredCount - ignored.length)}`
  return { type: 'PartiallyIgnored', status: 'True', reason: 'FieldsIgnored', message }
}

function lagSentence({ proxy, why, sinceMs, message }: LaggingProxy): string {
  const since = timeOf(sinceMs)
  if (why === 'rejected') return `${proxy} rejected it: ${(message ?? '').slice(0, 300)}`
  if (why === 'gone') return `${proxy} is not connected any more since ${since}`
  if (why === 'unknown') return `${proxy}: its control plane replica does not report any more since ${since}`
  return `${proxy} has not acknowledged since ${since}`
}

function sentence({ code, path, message }: Finding): string {
  return `${code}${path === '' ? '' : ` ${path}`}: ${message}`
}

function others(count: number, what: string): string {
  return count <= 0 ? '' : ` (and ${count} more ${what}${count === 1 ? '' : 's'})`
}

function more(count: number): string {
  return count <= 0 ? '' : `; and ${count} more`
}

function bounded(message: string): string {
  return message.length <= MAX_MESSAGE ? message : `${message.slice(0, MAX_MESSAGE - 1)}…`
}

/** As Kubernetes writes times: RFC 3339 without fractions. */
export function timeOf(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`
}

/** What the object has already, ours only. */
export function conditionsOf(status: unknown): readonly Condition[] {
  if (!isRecord(status) || !Array.isArray(status.conditions)) return []
  return status.conditions.flatMap((each: unknown): readonly Condition[] => {
    if (!isRecord(each) || !OWN_TYPES.some((type) => type === each.type)) return []
    const { type, status: value, reason, message, observedGeneration } = each
    if (value !== 'True' && value !== 'False' && value !== 'Unknown') return []
    const texts: Verdict = { type: String(type), status: value, reason: String(reason), message: String(message) }
    return [{ ...texts, observedGeneration: Number(observedGeneration ?? 0) }]
  })
}

export function asConditions(verdicts: readonly Verdict[], observedGeneration: number): readonly Condition[] {
  return verdicts.map((verdict) => ({ ...verdict, observedGeneration }))
}

/** 'none': nothing to write. 'counts': only numbers and names are others. 'status': somebody may be waiting for it. */
export function differenceOf(before: readonly Condition[], after: readonly Condition[]): 'none' | 'counts' | 'status' {
  let difference: 'none' | 'counts' = 'none'
  for (const condition of after) {
    const old = before.find(({ type }) => type === condition.type)
    if (old?.status !== condition.status || old.reason !== condition.reason || old.observedGeneration !== condition.observedGeneration) {
      return 'status'
    }
    if (old.message !== condition.message) difference = 'counts'
  }
  return difference
}
