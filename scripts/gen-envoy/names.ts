// Gives every message and enum one readable TypeScript name: the short name where it is unique or where this file says
// whose it is, else with the nearest telling package segments in front (`HttpRBAC`, `NetworkRBAC`).
import type { EnumModel, MessageModel } from './load.ts'

/** Clashing short names: the message that people mean when they say the word. */
const OWNERS: Readonly<Record<string, string>> = {
  Filter: 'envoy.config.listener.v3',
  HeaderMutation: 'envoy.config.common.mutation_rules.v3',
  CidrRange: 'envoy.config.core.v3',
  HealthCheck: 'envoy.config.core.v3',
  HttpProtocolOptions: 'envoy.extensions.upstreams.http.v3',
  Metadata: 'envoy.config.core.v3',
  RetryPolicy: 'envoy.config.route.v3',
  TypedExtensionConfig: 'envoy.config.core.v3',
  RBAC: 'envoy.config.rbac.v3',
  RateLimit: 'envoy.config.route.v3',
  Tracing: 'envoy.config.trace.v3',
  RegexMatcher: 'envoy.type.matcher.v3',
  StringMatcher: 'envoy.type.matcher.v3',
  TypedStruct: 'xds.type.v3',
}

/** Segments that say nothing about a type. */
const SILENT = /^(v\d+(alpha\d*|beta\d*)?|envoy|config|extensions|filters|proto)$/

/** Packages whose words are too general to stand alone. */
const ALWAYS_PREFIXED: Readonly<Record<string, string>> = {
  'google.api.expr.v1alpha1': 'Cel',
  'google.rpc': 'Rpc',
  'opentelemetry.proto.common.v1': 'Otel',
}

type Named = Pick<MessageModel | EnumModel, 'fullName' | 'nesting' | 'packageName'>

/** Full name -> TypeScript name. Fails when two would share one. */
export function nameTypes(types: readonly Named[]): ReadonlyMap<string, string> {
  const owners = new Map<string, Set<string>>()
  for (const { nesting, packageName } of types) {
    const top = nesting[0] ?? ''
    owners.set(top, (owners.get(top) ?? new Set()).add(packageName))
  }
  const names = new Map<string, string>()
  const used = new Map<string, string>()
  for (const { fullName, nesting, packageName } of types) {
    const top = nesting[0] ?? ''
    const name = [topName(top, packageName, owners.get(top)?.size ?? 0), ...nesting.slice(1)].join('_')
    const earlier = used.get(name)
    if (earlier !== undefined)
      throw new Error(`${fullName} and ${earlier} would both be called ${name}; decide in scripts/gen-envoy/names.ts`)
    used.set(name, fullName)
    names.set(fullName, name)
  }
  return names
}

function topName(name: string, packageName: string, packages: number): string {
  const always = ALWAYS_PREFIXED[packageName]
  if (always !== undefined) return always + name
  return packages === 1 || OWNERS[name] === packageName ? name : prefixed(packageName, name)
}

function prefixed(packageName: string, name: string): string {
  const raw = packageName.split('.')
  if (raw[0] === 'xds' || raw[0] === 'udpa') return pascal(raw[0]) + name
  const telling = raw.filter((segment) => !SILENT.test(segment))
  const nearest = telling.at(-1) ?? ''
  const family = telling.at(-2)
  const own = pascal(nearest)
  // The package repeats the name (`http.rbac.RBAC`): its family tells them apart.
  if (own.toLowerCase() === name.toLowerCase() || isFamily(family)) {
    const repeated = name.toLowerCase().startsWith(own.toLowerCase()) || own.toLowerCase().startsWith(name.toLowerCase())
    return `${pascal(family ?? '')}${repeated ? '' : own}${name}`
  }
  return `${own}${name}`
}

function isFamily(segment: string | undefined): boolean {
  return segment === 'http' || segment === 'network' || segment === 'listener'
}

function pascal(text: string): string {
  return text.replace(/(?:^|_)([a-z0-9])/g, (_match, letter: string) => letter.toUpperCase())
}
