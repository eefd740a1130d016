// TE is of this hop, except that 'trailers' is understood by the next one too (RFC 9110 10.1.4; Envoy: sanitizeTEHeader). Used where the
// request is matched (incoming-request.ts) and where its head is written (request-head.ts), so that both say the same.
import { FIELD } from '../http1/fields.ts'
import type { MessageHead } from '../http1/head.ts'

/** What goes on: 'trailers', or the empty value, which asks for nothing; undefined: no TE. */
export function travellingTe(head: MessageHead): '' | 'trailers' | undefined {
  if (!head.has(FIELD.te)) return undefined
  const said = head.get('te') ?? ''
  if (said === '') return ''
  return said.split(',').some((coding) => coding.trim().toLowerCase() === 'trailers') ? 'trailers' : undefined
}

/** The lines that came can stay as they are. */
export function isPlainTe(head: MessageHead): boolean {
  const said = head.get('te')
  return said === '' || said === 'trailers'
}
