// A head on its way through: unchanged lines travel as the text they came as, in as few slices as possible; the rest is cut out.
// Used for requests and responses. Invariant: no field of this hop (RFC 9110 7.6.1) leaves it.
import { FIELD } from '../http1/fields.ts'
import type { MessageHead } from '../http1/head.ts'

/** What happens to the fields of one kind, by FieldKind. */
export type FieldDisposition = Uint8Array

export const KEEP = 0
export const DROP = 1
/** Ask `isInternal`: Envoy's own control headers that strangers may not send. */
export const SANITIZE = 2

/** All lines of the head that go on. `disposition` judges by kind; `dropped` holds lower-case names. */
export function travellingLines(
  head: MessageHead,
  disposition: FieldDisposition,
  dropped: ReadonlySet<string> | undefined,
  isInternal: (head: MessageHead, index: number) => boolean,
): string {
  const { text, hopFields } = head
  const dropsByName = hopFields !== undefined || (dropped !== undefined && dropped.size > 0)
  let lines = ''
  let from = head.fieldsStart
  for (let index = 0; index < head.fieldCount; index++) {
    const kind = head.kindAt(index)
    const verdict = kind === FIELD.ordinary ? KEEP : disposition[kind]
    if (verdict === KEEP && !dropsByName) continue
    if (verdict === KEEP && !droppedByName(head, index, kind, hopFields, dropped)) continue
    if (verdict === SANITIZE && !isInternal(head, index) && !(dropsByName && droppedByName(head, index, kind, hopFields, dropped))) continue
    const start = head.lineStart(index)
    if (start > from) lines += text.slice(from, start)
    from = head.lineStart(index + 1)
  }
  if (from === head.fieldsStart) return text.slice(from)
  return from < head.fieldsEnd ? lines + text.slice(from) : lines
}

function droppedByName(
  head: MessageHead,
  index: number,
  kind: number,
  hopFields: readonly string[] | undefined,
  dropped: ReadonlySet<string> | undefined,
): boolean {
  // Connection may name only fields that mean nothing to this proxy: it cannot be used to strip framing or identity on the way.
  if (hopFields !== undefined && kind === FIELD.ordinary) {
    for (const name of hopFields) if (head.isNamed(index, name)) return true
  }
  return dropped !== undefined && dropped.size > 0 && dropped.has(head.nameAt(index).toLowerCase())
}

/** The travelling fields of that name, joined, or the first of them; undefined: none. For whoever has to ask before the lines are written. */
export function travellingValue(
  head: MessageHead,
  lowerName: string,
  first: boolean,
  disposition: FieldDisposition,
  isInternal: (head: MessageHead, index: number) => boolean,
): string | undefined {
  let value: string | undefined
  for (let index = 0; index < head.fieldCount; index++) {
    if (!head.isNamed(index, lowerName)) continue
    const kind = head.kindAt(index)
    const verdict = kind === FIELD.ordinary ? KEEP : disposition[kind]
    if (verdict === DROP || (verdict === SANITIZE && isInternal(head, index))) continue
    if (droppedByName(head, index, kind, head.hopFields, undefined)) continue
    if (first) return head.valueAt(index)
    value = value === undefined ? head.valueAt(index) : `${value},${head.valueAt(index)}`
  }
  return value
}
