// The open loop of load.ts over HTTP/2: few connections, many streams, every request accounted for. No retries: a stream that is refused,
// also one that a GOAWAY leaves out, is a broken request. gRPC is HTTP/2 whose answer is in the trailers.
import http2 from 'node:http2'
import type { LoadPlan, LoadReport } from './load.ts'

export interface Http2Plan extends LoadPlan {
  readonly ratePerSecond: number
  readonly grpc: boolean
}

const TICK_MS = 2
const DRAIN_MS = 10_000
/** A gRPC message of no bytes: not compressed, length 0. */
const NO_MESSAGE = Buffer.alloc(5)

export async function runHttp2Load(plan: Http2Plan): Promise<LoadReport> {
  const book = new Book(plan.countHeader)
  const sessions = new Sessions(plan)
  const startedAt = performance.now()
  const outstanding: Promise<void>[] = []
  let issued = 0
  await new Promise<void>((resolve) => {
    const pacer = setInterval(() => {
      const elapsedMs = Math.min(performance.now() - startedAt, plan.durationMs)
      for (const due = Math.floor((elapsedMs * plan.ratePerSecond) / 1000); issued < due; issued++) {
        outstanding.push(book.keep(sessions.next(), plan, startedAt + (issued * 1000) / plan.ratePerSecond))
      }
      if (elapsedMs < plan.durationMs) return
      clearInterval(pacer)
      resolve()
    }, TICK_MS)
  })
  await Promise.all(outstanding)
  sessions.close()
  return book.report(issued, performance.now() - startedAt)
}

/** A fixed number of connections; one that ends or is told to go is replaced at its next turn. */
class Sessions {
  readonly #open: (http2.ClientHttp2Session | undefined)[]
  readonly #authority: string
  #turn = 0

  constructor({ host, port, connections }: LoadPlan) {
    this.#open = Array.from({ length: Math.min(connections, 4) }, () => undefined)
    this.#authority = `http://${host}:${port}`
  }

  next(): http2.ClientHttp2Session {
    const index = this.#turn++ % this.#open.length
    const known = this.#open[index]
    if (known !== undefined && !known.closed && !known.destroyed) return known
    const session = http2.connect(this.#authority)
    session.on('error', () => undefined)
    session.on('goaway', () => session.close())
    this.#open[index] = session
    return session
  }

  close(): void {
    for (const session of this.#open) session?.close()
  }
}

class Book {
  readonly #countHeader: string | undefined
  readonly #statuses: Record<string, number> = {}
  readonly #broken: Record<string, number> = {}
  readonly #counted: Record<string, number> = {}
  readonly #samples: string[] = []
  readonly #latencies: number[] = []

  constructor(countHeader: string | undefined) {
    this.#countHeader = countHeader
  }

  /** Sends one request and writes down what became of it. */
  keep(session: http2.ClientHttp2Session, plan: Http2Plan, intendedAt: number): Promise<void> {
    return new Promise((resolve) => {
      const stream = session.request({ ':method': plan.method, ':path': plan.path, ...plan.headers })
      const seen: { head?: http2.IncomingHttpHeaders; grpcStatus?: string; whole: boolean; failure?: string } = { whole: false }
      const late = setTimeout(() => stream.close(http2.constants.NGHTTP2_CANCEL), plan.durationMs + DRAIN_MS)
      stream.on('response', (headers) => {
        seen.head = headers
        if (headers['grpc-status'] !== undefined) seen.grpcStatus = String(headers['grpc-status'])
      })
      stream.on('trailers', (trailers) => {
        seen.grpcStatus = String(trailers['grpc-status'])
      })
      stream.on('end', () => {
        seen.whole = true
      })
      stream.on('error', (error: NodeJS.ErrnoException) => {
        seen.failure = error.code === 'ERR_HTTP2_STREAM_ERROR' ? error.message : (error.code ?? error.message)
      })
      stream.on('close', () => {
        clearTimeout(late)
        this.#latencies.push(performance.now() - intendedAt)
        if (seen.head === undefined || seen.failure !== undefined || !seen.whole) add(this.#broken, seen.failure ?? 'closed')
        else this.#answered(seen.head, plan.grpc ? seen.grpcStatus : undefined, plan.grpc)
        resolve()
      })
      stream.resume()
      stream.end(plan.grpc ? NO_MESSAGE : (plan.body ?? ''))
    })
  }

  #answered(head: http2.IncomingHttpHeaders, grpcStatus: string | undefined, grpc: boolean): void {
    const good = !grpc || grpcStatus === '0'
    const status = good ? String(head[':status']) : `grpc ${grpcStatus}`
    add(this.#statuses, status)
    if (status !== '200' && this.#samples.length < 5) this.#samples.push(JSON.stringify(head))
    if (this.#countHeader !== undefined) add(this.#counted, String(head[this.#countHeader] ?? '(none)'))
  }

  report(sent: number, elapsedMs: number): LoadReport {
    const sorted = this.#latencies.sort((a, b) => a - b)
    const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
    const latencyMs = { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: sorted.at(-1) ?? 0 }
    return {
      sent,
      statuses: this.#statuses,
      broken: this.#broken,
      unsent: 0,
      counted: this.#counted,
      elapsedMs,
      latencyMs,
      samples: this.#samples,
    }
  }
}

function add(counts: Record<string, number>, key: string): void {
  counts[key] = (counts[key] ?? 0) + 1
}
