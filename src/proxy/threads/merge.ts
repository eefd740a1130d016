// The numbers of several threads as those of one proxy. Pure; called by the main thread at every question of the admin port.
// Invariant: a sample of the same name and labels is summed, and no counter of a thread that has gone is lost again.
import type { ClusterStatus } from '../data-plane.ts'
import type { MetricFamily } from '../telemetry/metrics.ts'
import type { FamilySnapshot, ThreadSnapshot } from './protocol.ts'

export const EMPTY_SNAPSHOT: ThreadSnapshot = { families: [], clusters: [], connections: 0, requests: 0 }

export function snapshotFamilies(families: Iterable<MetricFamily>): readonly FamilySnapshot[] {
  return [...families].map(({ name, help, type, samples }) => ({
    name,
    help,
    type,
    samples: [...samples()].map(({ suffix, labels, value }) => [suffix, labels, value] as const),
  }))
}

export function mergeSnapshots(snapshots: readonly ThreadSnapshot[]): ThreadSnapshot {
  return {
    families: mergeFamilies(snapshots.flatMap(({ families }) => families)),
    clusters: mergeClusters(snapshots.flatMap(({ clusters }) => clusters)),
    connections: sum(snapshots, (each) => each.connections),
    requests: sum(snapshots, (each) => each.requests),
  }
}

/** What stays of a thread that has gone: what it counted, but nothing in progress. */
export function withoutPresent({ families, clusters }: ThreadSnapshot): ThreadSnapshot {
  return {
    families: families.filter(({ type }) => type !== 'gauge'),
    clusters: clusters.map((cluster) => ({
      ...cluster,
      activeRequests: 0,
      activeConnections: 0,
      endpoints: cluster.endpoints.map((endpoint) => ({ ...endpoint, activeRequests: 0 })),
    })),
    connections: 0,
    requests: 0,
  }
}

export function asFamily({ name, help, type, samples }: FamilySnapshot): MetricFamily {
  return { name, help, type, samples: () => samples.map(([suffix, labels, value]) => ({ suffix, labels, value })) }
}

function mergeFamilies(families: readonly FamilySnapshot[]): readonly FamilySnapshot[] {
  return [...Map.groupBy(families, ({ name }) => name).values()].flatMap((same) => {
    const [first] = same
    if (first === undefined) return []
    const samples = new Map<string, readonly [string, string, number]>()
    for (const [suffix, labels, value] of same.flatMap((family) => family.samples)) {
      const key = `${suffix} ${labels}`
      samples.set(key, [suffix, labels, value + (samples.get(key)?.[2] ?? 0)])
    }
    return [{ ...first, samples: [...samples.values()] }]
  })
}

function mergeClusters(clusters: readonly ClusterStatus[]): readonly ClusterStatus[] {
  return [...Map.groupBy(clusters, ({ name }) => name)].map(([name, same]) => ({
    name,
    activeRequests: sum(same, (each) => each.activeRequests),
    activeConnections: sum(same, (each) => each.activeConnections),
    totalConnections: sum(same, (each) => each.totalConnections),
    fullHandshakes: sum(same, (each) => each.fullHandshakes),
    resumedHandshakes: sum(same, (each) => each.resumedHandshakes),
    endpoints: mergeEndpoints(same.flatMap((each) => each.endpoints)),
  }))
}

function mergeEndpoints(endpoints: ClusterStatus['endpoints']): ClusterStatus['endpoints'] {
  return [...Map.groupBy(endpoints, ({ address }) => address)].map(([address, same]) => ({
    address,
    activeRequests: sum(same, (each) => each.activeRequests),
    totalRequests: sum(same, (each) => each.totalRequests),
    connectFailures: sum(same, (each) => each.connectFailures),
    health: same[0]?.health ?? '',
  }))
}

function sum<T>(values: readonly T[], of: (value: T) => number): number {
  return values.reduce((total, value) => total + of(value), 0)
}
