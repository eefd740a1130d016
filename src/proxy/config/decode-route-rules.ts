// A route's or virtual host's own RBAC (typed_per_filter_config), which replaces the connection manager's.
// Invariant: an override that cannot be read denies; it must never fall back to the wider rules of the filter.
import { unpack } from '../../envoy/any.ts'
import type { AnyMessage } from '../../envoy/generated/messages.gen.ts'
import type { DecodeContext } from './decode-context.ts'
import { decodeRules, invalid } from './decode-rbac.ts'
import type { Route } from './proxy-config.ts'

export function decodeRouteRules(
  configs: Readonly<Record<string, AnyMessage>> | undefined,
  at: string,
  context: DecodeContext,
): Route['rules'] {
  for (const [name, config] of Object.entries(configs ?? {})) {
    const where = `${at}["${name}"]`
    const perRoute = unpack(config, 'envoy.extensions.filters.http.rbac.v3.RBACPerRoute')
    if (perRoute !== undefined) {
      // An empty override switches the filter off for this route (Envoy: RBACPerRoute).
      return perRoute.rbac === undefined && context.droppedBelow(where) === undefined
        ? 'disabled'
        : decodeRules(perRoute.rbac ?? {}, perRoute.rbac === undefined ? where : `${where}.rbac`, context)
    }
    if (`${name} ${config['@type']}`.includes('rbac')) return [invalid(`'${config['@type']}' is not a policy of a route`, where, context)]
    context.unsupported(where, `filter configuration '${config['@type']}' for a route is not supported`)
  }
  return undefined
}
