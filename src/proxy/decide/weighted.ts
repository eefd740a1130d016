// Which of a route's weighted clusters gets this request. Called once per forwarded request.
// Invariant: over many requests each entry gets weight / total, independently of the others; weight 0 gets nothing.
import type { Random } from '../../base/random.ts'
import type { WeightedCluster } from '../config/proxy-config.ts'

/** What both a route's forward action and a TCP proxy have. */
export interface ClusterChoice {
  readonly clusters: readonly WeightedCluster[]
  readonly totalWeight?: number
}

/** Undefined only where there is nothing to choose from, which the decoder refuses. A lone entry takes everything. */
export function chooseCluster(choice: ClusterChoice, random: Random): WeightedCluster | undefined {
  const { clusters } = choice
  if (clusters.length <= 1) return clusters[0]
  const total = choice.totalWeight ?? sumOfWeights(clusters)
  if (total <= 0) return undefined
  let left = random() * total
  for (const cluster of clusters) {
    left -= cluster.weight
    if (left < 0) return cluster
  }
  // Only rounding of `random() * total` comes here: the last entry with a weight is the one that was meant.
  return clusters.findLast((cluster) => cluster.weight > 0)
}

export function sumOfWeights(clusters: readonly WeightedCluster[]): number {
  let total = 0
  for (const cluster of clusters) total += cluster.weight
  return total
}
