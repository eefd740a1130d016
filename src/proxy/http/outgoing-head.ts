// A head on its way through: unchanged lines travel as the text they came as, in as few slices as possible; the rest is cut out.
// Used for requests and responses. Invariant: no field of this hop (RFC 9110 7.6.1) leaves it.
import { FIELD } from '../http1/fields.ts'
import type { MessageHead } from '../http1/head.ts'
import type { MutationPlan } from './header-mutations.ts'

/** What happens to the fields of one kind, by FieldKind. */
export type FieldDisposition = Uint8Array

export const KEEP = 0
export const DROP = 1
/** Ask `isInternal`: Envoy's own control headers that strangers may not send. */
export const SANITIZE = 2

/** All lines of the head that go on. `disposition` judges by kind; `plan` drops by name. */
export function travellingLines(
  head: MessageHead,
  disposition: FieldDisposition,
  plan: MutationPlan | undefined,
  isInternal: (head: MessageHead, index: number) => boolean,
): string {
  const { text, hopFields } = head
  const dropsByName = hopFields !== undefined || (plan !== undefined && plan.dropped.size > 0)
  let lines = ''
  let from = head.fieldsStart
  for (let index = 0; index < head.fieldCount; index++) {
    const kind = head.kindAt(index)
    const verdict = kind === FIELD.ordinary ? KEEP : disposition[kind]
    if (verdict === KEEP && !dropsByName) continue
    if (verdict === KEEP && !droppedByName(head, index, kind, hopFields, plan)) continue
    if (verdict === SANITIZE && !isInternal(head, index) && !(dropsByName && droppedByName(head, index, kind, hopFields, plan))) continue
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
  plan: MutationPlan | undefined,
): boolean {
  // Connection may name only fields that mean nothing to this proxy: it cannot be used to strip framing or identity on the way.
  if (hopFields !== undefined && kind === FIELD.ordinary) {
    for (const name of hopFields) if (head.isNamed(index, name)) return true
  }
  return plan !== undefined && plan.dropped.size > 0 && plan.dropped.has(head.nameAt(index).toLowerCase())
}
