// What the agent's ports may read and do: functions that give values, implemented by the composition root.
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/log.ts'
import type { AgentSettings } from '../../envoy/agent-settings.ts'
import type { MetricFamily } from '../telemetry/metrics.ts'

export interface AgentState {
  readonly settings: AgentSettings
  /** Where the application listens: the pod's address. */
  readonly podAddress: string
  /** `reason` is one line: what is waited for, or 'LIVE'. */
  readiness(): { readonly ready: boolean; readonly reason: string }
  /** Asks the data threads for what they have counted. */
  collect(): Promise<void>
  families(): Iterable<MetricFamily>
  /** Not ready any more; callers are sent elsewhere, everything is still served. */
  drain(): void
  quit(): void
  readonly clock: Clock
  readonly log: Logger
}
