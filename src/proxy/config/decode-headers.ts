// Header mutations of route tables, virtual hosts, routes and weighted clusters.
import type * as envoy from '../../envoy/generated/messages.gen.ts'
import { checkTextFormat } from '../telemetry/access-log-format.ts'
import type { DecodeContext } from './decode-context.ts'
import type { HeaderMutations, HeaderValue } from './proxy-config.ts'

export interface HeaderFields {
  readonly requestHeadersToAdd?: readonly envoy.HeaderValueOption[] | undefined
  readonly requestHeadersToRemove?: readonly string[] | undefined
  readonly responseHeadersToAdd?: readonly envoy.HeaderValueOption[] | undefined
  readonly responseHeadersToRemove?: readonly string[] | undefined
}

export const NO_MUTATIONS: HeaderMutations = { remove: [], set: [] }

export function decodeHeaderMutations(
  message: HeaderFields,
  at: string,
  context: DecodeContext,
): { readonly requestHeaders: HeaderMutations; readonly responseHeaders: HeaderMutations } {
  return {
    requestHeaders: decode(message.requestHeadersToAdd, message.requestHeadersToRemove, `${at}request_headers`, context),
    responseHeaders: decode(message.responseHeadersToAdd, message.responseHeadersToRemove, `${at}response_headers`, context),
  }
}

function decode(
  add: readonly envoy.HeaderValueOption[] | undefined,
  remove: readonly string[] | undefined,
  at: string,
  context: DecodeContext,
): HeaderMutations {
  if ((add?.length ?? 0) + (remove?.length ?? 0) === 0) return NO_MUTATIONS
  for (const [index, name] of (remove ?? []).entries()) {
    // As Envoy: without them the message could not be routed or framed.
    if (name.startsWith(':') || name.toLowerCase() === 'host') context.error(`${at}_to_remove[${index}]`, `'${name}' may not be removed`)
  }
  return {
    remove: (remove ?? []).map((name) => name.toLowerCase()),
    set: (add ?? []).flatMap((option, index) => decodeValue(option, `${at}_to_add[${index}]`, context) ?? []),
  }
}

const TOKEN = /^:?[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

function decodeValue(option: envoy.HeaderValueOption, at: string, context: DecodeContext): HeaderValue | undefined {
  const name = option.header?.key ?? ''
  const value = option.header?.value ?? ''
  if (!TOKEN.test(name)) return context.error(`${at}.header.key`, `'${name}' is not a header name (RFC 9110 5.1)`)
  // A line break would let configuration write headers that nobody reviewed, or end the head.
  if (/[\r\n\0]/.test(value)) return context.error(`${at}.header.value`, 'a header value may not hold a line break')
  const hasOperators = value.replaceAll('%%', '').includes('%')
  if (hasOperators) for (const problem of checkTextFormat(value)) context.unsupported(`${at}.header.value`, problem.message)
  return {
    name: name.toLowerCase(),
    value: hasOperators ? value : value.replaceAll('%%', '%'),
    hasOperators,
    action: actionOf(option),
    keepsEmpty: option.keepEmptyValue === true,
  }
}

const ACTIONS = {
  APPEND_IF_EXISTS_OR_ADD: 'append',
  ADD_IF_ABSENT: 'add-if-absent',
  OVERWRITE_IF_EXISTS_OR_ADD: 'overwrite',
  OVERWRITE_IF_EXISTS: 'overwrite-if-exists',
} as const

/** The deprecated `append` wins when it is set, as in Envoy; neither: append. */
function actionOf(option: envoy.HeaderValueOption): HeaderValue['action'] {
  if (option.append !== undefined) return option.append ? 'append' : 'overwrite'
  return ACTIONS[option.appendAction ?? 'APPEND_IF_EXISTS_OR_ADD']
}
