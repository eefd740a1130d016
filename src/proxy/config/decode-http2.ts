// Http2ProtocolOptions of a listener or a cluster. What is not said stays undefined: the codec's own defaults hold (http2/defaults.ts).
import type * as envoy from '../../envoy/generated/messages.gen.ts'
import type { Http2Options } from './proxy-config.ts'

/** Envoy: interval_jitter's default. */
const DEFAULT_JITTER_PERCENT = 15

/** Undefined where nothing is said at all. */
export function decodeHttp2(options: envoy.Http2ProtocolOptions | undefined): Http2Options | undefined {
  if (options === undefined) return undefined
  const { connectionKeepalive: keepalive } = options
  return {
    maxConcurrentStreams: options.maxConcurrentStreams,
    streamWindow: options.initialStreamWindowSize,
    connectionWindow: options.initialConnectionWindowSize,
    keepalive:
      keepalive?.interval === undefined || keepalive.interval <= 0
        ? undefined
        : {
            intervalMs: keepalive.interval,
            timeoutMs: keepalive.timeout ?? keepalive.interval,
            jitterPercent: keepalive.intervalJitter?.value ?? DEFAULT_JITTER_PERCENT,
          },
    headerTableSize: options.hpackTableSize,
    allowConnect: options.allowConnect === true,
    limits: {
      outboundFrames: options.maxOutboundFrames,
      outboundControlFrames: options.maxOutboundControlFrames,
      emptyFrames: options.maxConsecutiveInboundFramesWithEmptyPayload,
      priorityFramesPerStream: options.maxInboundPriorityFramesPerStream,
      windowUpdatesPerDataFrame: options.maxInboundWindowUpdateFramesPerDataFrameSent,
    },
  }
}
