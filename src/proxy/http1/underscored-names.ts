// Field names with an underscore, where the connection manager does not want them: CGI and its heirs read x_user and x-user as one
// variable, so one could pass a policy on the other (Envoy: headers_with_underscores_action). Called once per request head.
import type { MessageHead } from './head.ts'

export function hasUnderscoredName(head: MessageHead): boolean {
  for (let index = 0; index < head.fieldCount; index++) if (isUnderscored(head, index)) return true
  return false
}

/** The text of the head without those lines, to be parsed anew. */
export function withoutUnderscoredNames(head: MessageHead): string {
  let text = head.text.slice(0, head.fieldsStart)
  for (let index = 0; index < head.fieldCount; index++) {
    if (!isUnderscored(head, index)) text += head.text.slice(head.lineStart(index), head.lineStart(index + 1))
  }
  return text
}

function isUnderscored(head: MessageHead, index: number): boolean {
  return head.nameAt(index).includes('_')
}
