// What one exchange weighs at its cluster and endpoint while an attempt is under way, and what its retries take of the cluster's budget.
// Used by exchange.ts. Invariant: whatever was counted is given back once, in whatever way the attempt ends.
import type { ClusterRuntime, EndpointRuntime } from '../upstream/cluster-runtime.ts'

export class AttemptLoad {
  /** Of the attempt under way. */
  endpoint: EndpointRuntime | undefined
  /** Of the attempt under way, or of the one before. */
  lastEndpoint: EndpointRuntime | undefined
  #cluster: ClusterRuntime | undefined
  /** A retry waits for its turn, or is in flight: both count. */
  #retryScheduled = false
  #retryInFlight = false

  begin(cluster: ClusterRuntime): void {
    this.#cluster = cluster
    this.#retryInFlight = this.#retryScheduled
    this.#retryScheduled = false
  }

  carry(endpoint: EndpointRuntime): void {
    this.endpoint = endpoint
    this.lastEndpoint = endpoint
    endpoint.activeRequests++
    endpoint.totalRequests++
    if (this.#cluster !== undefined) this.#cluster.load.requests++
  }

  scheduleRetry(): void {
    if (this.#cluster === undefined) return
    this.#cluster.load.retries++
    this.#retryScheduled = true
  }

  end(): void {
    const cluster = this.#cluster
    if (cluster === undefined) return
    if (this.#retryInFlight) cluster.load.retries--
    this.#retryInFlight = false
    if (this.endpoint === undefined) return
    this.endpoint.activeRequests--
    cluster.load.requests--
    this.endpoint = undefined
  }

  /** The exchange is over: a retry that was arranged will not come. */
  close(): void {
    this.end()
    if (this.#retryScheduled && this.#cluster !== undefined) this.#cluster.load.retries--
    this.#retryScheduled = false
  }
}
