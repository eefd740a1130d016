// Changes to headers in Envoy's words, for routes and for weighted clusters.
import type { HeaderValueOption } from '../../envoy/generated/messages.gen.ts'
import type { HeaderChanges, HeaderOperations } from '../../model/http-action.ts'

export interface HeaderFields {
  readonly requestHeadersToAdd?: readonly HeaderValueOption[]
  readonly requestHeadersToRemove?: readonly string[]
  readonly responseHeadersToAdd?: readonly HeaderValueOption[]
  readonly responseHeadersToRemove?: readonly string[]
}

/** @param changes done one after the other. */
export function headerFields(...changes: readonly (HeaderChanges | undefined)[]): HeaderFields {
  const all = changes.filter((each) => each !== undefined)
  const request = joined(all.map((each) => each.request))
  const response = joined(all.map((each) => each.response))
  return {
    ...(request.write.length === 0 ? {} : { requestHeadersToAdd: request.write.map(option) }),
    ...(request.remove.length === 0 ? {} : { requestHeadersToRemove: request.remove }),
    ...(response.write.length === 0 ? {} : { responseHeadersToAdd: response.write.map(option) }),
    ...(response.remove.length === 0 ? {} : { responseHeadersToRemove: response.remove }),
  }
}

function joined(all: readonly HeaderOperations[]): HeaderOperations {
  return { write: all.flatMap(({ write }) => write), remove: all.flatMap(({ remove }) => remove) }
}

function option({ name, value, append }: HeaderOperations['write'][number]): HeaderValueOption {
  return { header: { key: name, value }, appendAction: append ? 'APPEND_IF_EXISTS_OR_ADD' : 'OVERWRITE_IF_EXISTS_OR_ADD' }
}
