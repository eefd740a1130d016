// What one cluster may have in flight, counted where it happens. Envoy's thresholds: beyond them requests fail at once (UO) instead of
// queueing behind a destination that does not keep up.
import type { CircuitBreaker } from '../config/proxy-config.ts'

export class ClusterLoad {
  connections = 0
  pendingRequests = 0
  requests = 0
  retries = 0
  limits: CircuitBreaker

  constructor(limits: CircuitBreaker) {
    this.limits = limits
  }

  get canConnect(): boolean {
    return this.connections < this.limits.maxConnections
  }

  get canQueue(): boolean {
    return this.pendingRequests < this.limits.maxPendingRequests
  }

  /** Of everybody who shares the limit. */
  get activeRetries(): number {
    return this.retries
  }

  get canRequest(): boolean {
    return this.requests < this.limits.maxRequests
  }
}
