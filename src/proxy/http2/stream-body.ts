// The body of an HTTP/2 message as an exchange sees it: DATA payload, then trailers. One per stream and direction; filled by
// downstream-stream.ts and upstream-stream.ts. Invariant: `out` never holds framing; whoever writes HTTP/1.1 adds it.
import type { BodyForm, MessageBody } from '../http1/message-body.ts'
import { Outflow } from '../http1/outflow.ts'

export class StreamBody implements MessageBody {
  done = false
  payloadBytes = 0
  form: BodyForm = 'open'
  trailers = ''
  readonly out = new Outflow()

  /** @param hasLength the head says how long the body is. @param end the head was all. */
  begin(hasLength: boolean, end: boolean): void {
    this.form = hasLength ? 'plain' : end ? 'empty' : 'open'
    this.done = end
    this.payloadBytes = 0
    this.trailers = ''
    this.out.clear()
  }

  receive(bytes: Buffer, end: boolean): void {
    this.out.clear()
    this.out.pass(bytes, 0, bytes.length)
    this.payloadBytes += bytes.length
    this.done = end
  }

  /** @param trailers lines with their ends. */
  end(trailers: string): void {
    this.out.clear()
    this.trailers = trailers
    this.done = true
  }
}
