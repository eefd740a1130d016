// A body on its way, as both sides of an exchange see it, whatever protocol it came in: what of it goes on now, and whether that is all.
// BodyReader is one (HTTP/1.1), StreamBody the other (HTTP/2). Who writes HTTP/1.1 codes what is 'open', who writes HTTP/2 decodes
// 'chunks'; between two sides of one kind nothing is coded twice.
import type { Outflow } from './outflow.ts'

/** 'plain': no transfer coding. 'chunks': `out` is in chunked coding (RFC 9112 7.1). 'open': content of unknown length, not coded.
 *  'empty': no content, and no field that says so. */
export type BodyForm = 'plain' | 'chunks' | 'open' | 'empty'

export interface MessageBody {
  readonly done: boolean
  /** Octets of content so far, framing excluded. */
  readonly payloadBytes: number
  /** What goes on now. */
  readonly out: Outflow
  readonly form: BodyForm
  /** Lines with their ends, known when `done`; '' for none. */
  readonly trailers: string
}
