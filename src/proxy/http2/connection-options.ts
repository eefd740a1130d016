// What a connection is told when it is made: its role, and what it grants its peer. Used by connection.ts and send-side.ts.
import type { FloodLimits } from './flood-guard.ts'

export interface ConnectionOptions {
  readonly role: 'client' | 'server'
  /** What the peer may send per stream before we consume it, and on all streams together. */
  readonly streamWindow: number
  readonly connectionWindow: number
  readonly maxHeaderListSize: number
  /** For servers: streams that the peer may have open. */
  readonly maxConcurrentStreams: number
  readonly floodLimits?: FloodLimits | undefined
  /** For servers: CONNECT with :protocol is understood (RFC 8441). */
  readonly connectProtocol?: boolean
  /** HPACK's dynamic table, of both directions; undefined: 4,096. */
  readonly headerTableSize?: number | undefined
}
