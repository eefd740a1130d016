// The gRPC health check that a kubelet makes (grpc.health.v1.Health/Check), over our own HTTP/2 client. Two messages of one field each,
// so no codec table: HealthCheckRequest {1: service}, HealthCheckResponse {1: status}.
import type { Clock } from '../../base/clock.ts'
import { GrpcChannel } from '../grpc/channel.ts'
import { formatStatus } from '../grpc/status.ts'
import { type ApplicationAddress, callApplication } from './application-calls.ts'

const PATH = '/grpc.health.v1.Health/Check'
const STATUS_TAG = 0x08
const SERVICE_TAG = 0x0a
const SERVING = 1
const NAMES = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN']
const MAX_ANSWER_BYTES = 4096

/** Undefined: it serves. Otherwise why not. */
export async function checkGrpcHealth(
  to: ApplicationAddress & { readonly service: string },
  podAddress: string,
  clock: Clock,
  deadlineMs: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  const channel = new GrpcChannel({
    host: to.host,
    port: to.port,
    clock,
    credentials: () => undefined,
    openSocket: () => callApplication(to, podAddress, signal),
    connectTimeoutMs: deadlineMs,
    maxMessageBytes: MAX_ANSWER_BYTES,
  })
  try {
    const answer = await channel.unary({ path: PATH, metadata: [], deadlineMs }, healthRequest(to.service))
    if (!answer.ok) return formatStatus(answer.status)
    const status = statusOf(answer.message)
    return status === SERVING ? undefined : `the service is ${NAMES[status] ?? status}`
  } finally {
    channel.close()
  }
}

function healthRequest(service: string): Uint8Array {
  const name = Buffer.from(service)
  if (name.length === 0) return Buffer.alloc(0)
  const length: number[] = []
  for (let rest = name.length; ; rest >>>= 7) {
    if (rest < 0x80) {
      length.push(rest)
      break
    }
    length.push((rest & 0x7f) | 0x80)
  }
  return Buffer.concat([Buffer.from([SERVICE_TAG, ...length]), name])
}

/** The last one counts (protobuf); a message without it says UNKNOWN. */
function statusOf(message: Buffer): number {
  return message.length >= 2 && message[message.length - 2] === STATUS_TAG ? (message[message.length - 1] ?? 0) : 0
}
