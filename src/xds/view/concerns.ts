// Which of the users' objects a proxy's configuration came from: whom a change of an object concerns. Asked of the compile thread when a
// digest is made (bin/control-plane/compile-side.ts), for all proxies at once, so what follows from a part is kept with the part.
// Invariant: whatever of a view carries an Origin counts, so that a new kind of policy is counted without being mentioned here; endpoints
// and settings carry none.
import type { Origin } from '../../model/origin.ts'
import type { ProxyView, ScopeView } from './proxy-view.ts'

export interface Concerns {
  /** `VirtualService default/reviews`. */
  readonly objects: readonly string[]
  readonly groups: readonly ConcernGroup[]
}

/** Proxies that the same objects concern. */
export interface ConcernGroup {
  /** Places in `objects`, each once. */
  readonly objects: Uint32Array<ArrayBuffer>
  readonly proxies: readonly string[]
}

export const NO_CONCERNS: Concerns = { objects: [], groups: [] }

/** Remembers between calls. */
export function createConcernBook(): (views: Iterable<readonly [proxy: string, view: ProxyView]>) => Concerns {
  let numbers = createNumbers()
  return (views) => {
    const byScope = new Map<
      ScopeView,
      Map<string, { readonly view: ProxyView; readonly own: readonly number[]; readonly proxies: string[] }>
    >()
    for (const [proxy, view] of views) {
      const ofScope = byScope.get(view.scope) ?? new Map<string, { view: ProxyView; own: readonly number[]; proxies: string[] }>()
      byScope.set(view.scope, ofScope)
      const own = numbers.ofInstance(view)
      const key = own.join(' ')
      const group = ofScope.get(key) ?? { view, own, proxies: [] }
      ofScope.set(key, group)
      group.proxies.push(proxy)
    }
    const groups = [...byScope].flatMap(([scope, ofScope]) =>
      [...ofScope.values()].map(({ own, proxies }) => ({ objects: numbers.union(scope, own), proxies })),
    )
    const concerns = { objects: [...numbers.names], groups }
    // Objects come and go: now and then those that are gone are forgotten.
    if (numbers.names.length > 2 * numbers.used() + 1000) numbers = createNumbers()
    return concerns
  }
}

interface Numbers {
  readonly names: readonly string[]
  /** How many of them stand in what was made last. */
  used(): number
  ofInstance(view: ProxyView): readonly number[]
  union(scope: ScopeView, own: readonly number[]): Uint32Array<ArrayBuffer>
}

function createNumbers(): Numbers {
  const names: string[] = []
  const numberOf = new Map<string, number>()
  const known = new WeakMap<object, readonly number[]>()
  /** Of each object the last union that has it. */
  let seen = new Uint32Array(1024)
  let stamp = 0
  let most = 0

  const numbered = (name: string): number => {
    const found = numberOf.get(name)
    if (found !== undefined) return found
    numberOf.set(name, names.length)
    return names.push(name) - 1
  }
  const behind = (part: object | undefined): readonly number[] => {
    if (part === undefined) return []
    const found = known.get(part)
    if (found !== undefined) return found
    const all = new Set<string>()
    collect(part, all)
    const made = [...all].map(numbered)
    known.set(part, made)
    return made
  }
  return {
    names,
    used: () => most,
    ofInstance({ instance: { workload, sidecar }, gateway }) {
      return [...new Set([...behind(workload), ...behind(sidecar), ...behind(gateway)])].sort((a, b) => a - b)
    },
    union(scope, own) {
      const found: number[] = []
      stamp++
      const add = (all: readonly number[]): void => {
        for (const number of all) {
          if (number >= seen.length) seen = grown(seen, number)
          if (seen[number] === stamp) continue
          seen[number] = stamp
          found.push(number)
        }
      }
      for (const view of scope.services) {
        add(behind(view.service.origin))
        add(behind(view.policy))
        add(behind(view.route))
      }
      for (const route of scope.foreignRoutes) add(behind(route))
      for (const policy of scope.routedPolicies.values()) add(behind(policy))
      add(own)
      most = Math.max(most, found.length)
      return Uint32Array.from(found)
    },
  }
}

function grown(seen: Uint32Array<ArrayBuffer>, number: number): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(Math.max(seen.length * 2, number + 1))
  larger.set(seen)
  return larger
}

function collect(value: unknown, into: Set<string>): void {
  if (typeof value !== 'object' || value === null) return
  if (isOrigin(value)) {
    if (isOfUsers(value)) into.add(`${value.kind} ${value.namespace}/${value.name}`)
    return
  }
  const parts = value instanceof Map || Array.isArray(value) ? value.values() : Object.values(value)
  for (const part of parts) collect(part, into)
}

function isOrigin(value: object): value is Origin {
  return 'apiVersion' in value && 'kind' in value && 'name' in value && 'namespace' in value
}

/** Not Kubernetes' own objects, which nobody asks about here: Services and Pods; nor a mesh's own processes. */
function isOfUsers({ apiVersion, kind }: Origin): boolean {
  return apiVersion.includes('istio.io/') || (apiVersion.startsWith('lateen.dev/') && kind !== 'LocalWorkload')
}
