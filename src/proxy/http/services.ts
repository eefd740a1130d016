// What all HTTP connections of one data plane share. Made once by local-data-plane.ts; nothing here belongs to a request.
import type { Clock } from '../../base/clock.ts'
import type { Random } from '../../base/random.ts'
import type { TimerWheel } from '../../base/timer-wheel.ts'
import type { HttpConnectionManager } from '../config/proxy-config.ts'
import type { OutcomeRecorder } from '../data-plane.ts'
import type { OverloadState } from '../overload/overload-state.ts'
import type { Outcome } from '../telemetry/outcome.ts'
import type { ClusterRuntime } from '../upstream/cluster-runtime.ts'
import type { DateLine } from './date-line.ts'
import type { PeerMetadata } from './peer-metadata.ts'
import type { RequestIds } from './request-ids.ts'

export interface HttpServices {
  readonly clock: Clock
  readonly random: Random
  readonly wheel: TimerWheel
  readonly recorder: OutcomeRecorder
  readonly requestIds: RequestIds
  readonly dateLine: DateLine
  readonly metadata: PeerMetadata
  cluster(name: string): ClusterRuntime | undefined
  readonly activity: Activity
  readonly overload: OverloadState
  /** Envoy's format operators in header values (%DOWNSTREAM_REMOTE_ADDRESS% ...), filled from the exchange so far. */
  expand(template: string, outcome: Outcome): string
}

/** Live counts; `draining` makes every response the last one of its connection. */
export interface Activity {
  connections: number
  requests: number
  draining: boolean
}

/** The connection manager in force for a filter chain: replaced by a config update, read anew by every request. */
export interface HttpBinding {
  manager: HttpConnectionManager
}
