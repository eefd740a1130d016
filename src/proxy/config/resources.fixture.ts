// A bootstrap with everything that the proxy honours from the start, as a person would write it. Decoder tests change parts of it.
import { compileRegex, compileRegexRewrite, compileStrictRegex } from '../../base/regex.ts'
import type { Problem } from '../../base/result.ts'
import type { Bootstrap } from '../../envoy/generated/messages.gen.ts'
import { proxyCodec } from '../../envoy/proxy-codec.ts'
import type { DecodeSettings, RegexEngine } from './decode-context.ts'

export const regexEngine: RegexEngine = { compile: compileRegex, compileStrict: compileStrictRegex, rewriter: compileRegexRewrite }
export const settings: DecodeSettings = { regex: regexEngine, allowUnsupported: false }

export function readBootstrap(json: unknown): { readonly message: Bootstrap; readonly dropped: readonly Problem[] } {
  const dropped: Problem[] = []
  const result = proxyCodec.fromJson('envoy.config.bootstrap.v3.Bootstrap', json, {
    onUnsupported: (path, message) => dropped.push({ path, message }),
  })
  if (!result.ok) throw new Error(JSON.stringify(result.problems, null, 1))
  return { message: result.value, dropped }
}

const type = (name: string, fields: object = {}) => ({ '@type': `type.googleapis.com/${name}`, ...fields })

export const ROUTER = { name: 'envoy.filters.http.router', typed_config: type('envoy.extensions.filters.http.router.v3.Router') }

export function rbacFilter(rules: object) {
  return { name: 'envoy.filters.http.rbac', typed_config: type('envoy.extensions.filters.http.rbac.v3.RBAC', { rules }) }
}

export function manager(fields: object = {}) {
  return {
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: type('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager', {
      stat_prefix: 'inbound_9080',
      http_filters: [ROUTER],
      route_config: { name: 'local', virtual_hosts: [{ name: 'all', domains: ['*'], routes: [forwardRoute()] }] },
      ...fields,
    }),
  }
}

export function forwardRoute(match: object = { prefix: '/' }, action: object = { cluster: 'reviews' }): object {
  return { match, route: action }
}

export function listener(fields: object = {}, filters: readonly object[] = [manager()]) {
  return {
    name: 'main',
    address: { socket_address: { address: '127.0.0.1', port_value: 10_000 } },
    filter_chains: [{ filters }],
    ...fields,
  }
}

export function cluster(fields: object = {}) {
  return {
    name: 'reviews',
    type: 'STATIC',
    load_assignment: { cluster_name: 'reviews', endpoints: [{ lb_endpoints: [endpoint('10.0.0.1', 9080)] }] },
    ...fields,
  }
}

export function endpoint(address: string, port: number, fields: object = {}) {
  return { endpoint: { address: { socket_address: { address, port_value: port } } }, ...fields }
}

export function bootstrap(
  listeners: readonly object[] = [listener()],
  clusters: readonly object[] = [cluster()],
  fields: object = {},
): object {
  return { static_resources: { listeners, clusters }, ...fields }
}

export const anyOf = type
