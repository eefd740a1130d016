// What a bootstrap says beside dynamic resources: static listeners and clusters, the admin address, the overload limit. Called by
// `lateen proxy -c FILE` and by `--mode validate`.
// Invariant: every problem of the file is named, with its path from the file's top.
import type { Problem, Result } from '../../base/result.ts'
import type * as envoy from '../../envoy/generated/messages.gen.ts'
import { Assembler, type Received, type Resources } from './assemble.ts'
import { DecodeContext, type DecodeSettings } from './decode-context.ts'
import { decodeAddress } from './decode-endpoint.ts'
import type { ProxyConfig, SocketAddress } from './proxy-config.ts'

export interface StaticConfiguration {
  readonly config: ProxyConfig
  readonly admin: SocketAddress | undefined
  readonly maxDownstreamConnections: number | undefined
  readonly warnings: readonly Problem[]
  /** For one Assembler over static and dynamic resources: the file's own, keyed by name. */
  readonly resources: Resources
  readonly settings: DecodeSettings
}

/** @param dropped what the codec left out of the bootstrap, with paths from its top. */
export function decodeBootstrap(
  bootstrap: envoy.Bootstrap,
  settings: DecodeSettings,
  dropped: readonly Problem[] = [],
): Result<StaticConfiguration> {
  const secrets = new Map((bootstrap.staticResources?.secrets ?? []).map((secret) => [secret.name ?? '', secret]))
  const full: DecodeSettings = { ...settings, secrets }
  const listeners = received(bootstrap.staticResources?.listeners, 'static_resources.listeners', dropped)
  const clusters = received(bootstrap.staticResources?.clusters, 'static_resources.clusters', dropped)
  const resources: Resources = { listeners: listeners.byName, clusters: clusters.byName, routes: new Map(), endpoints: new Map() }
  const { config, rejected, warnings } = new Assembler(full).assemble(resources)
  const outside = new DecodeContext(
    full,
    dropped.filter(({ path }) => !/^static_resources\.(?:listeners|clusters)\[/.test(path)),
  )
  outside.reportDropped()
  for (const problem of [...listeners.problems, ...clusters.problems]) outside.problems.push(problem)
  const admin = bootstrap.admin?.address === undefined ? undefined : decodeAddress(bootstrap.admin.address, 'admin.address', outside)
  const maxDownstreamConnections = overloadLimit(bootstrap, outside)
  const problems = [
    ...outside.problems,
    ...rejected.flatMap(({ type, name, problems: own }) => rebased(type, name, own, listeners, clusters)),
  ]
  if (problems.length > 0) return { ok: false, problems }
  return {
    ok: true,
    value: { config, admin, maxDownstreamConnections, warnings: [...outside.warnings, ...warnings], resources, settings: full },
  }
}

interface Listed<T> {
  readonly byName: ReadonlyMap<string, Received<T>>
  readonly at: ReadonlyMap<string, string>
  readonly problems: readonly Problem[]
}

function received<T extends { readonly name?: string | undefined }>(
  messages: readonly T[] | undefined,
  path: string,
  dropped: readonly Problem[],
): Listed<T> {
  const byName = new Map<string, Received<T>>()
  const at = new Map<string, string>()
  const problems: Problem[] = []
  for (const [index, message] of (messages ?? []).entries()) {
    const where = `${path}[${index}]`
    // A listener may go without a name; it is then called by its place.
    const name = message.name === undefined || message.name === '' ? where : message.name
    if (byName.has(name)) problems.push({ path: `${where}.name`, message: `'${name}' is used twice` })
    const own = dropped.filter((problem) => problem.path.startsWith(`${where}.`))
    byName.set(name, { message, dropped: own.map((problem) => ({ ...problem, path: problem.path.slice(where.length + 1) })) })
    at.set(name, where)
  }
  return { byName, at, problems }
}

function rebased(
  type: keyof Resources,
  name: string,
  problems: readonly Problem[],
  listeners: Listed<envoy.Listener>,
  clusters: Listed<envoy.Cluster>,
): readonly Problem[] {
  const where = (type === 'listeners' ? listeners : clusters).at.get(name) ?? `${type}["${name}"]`
  return problems.map(({ path, message }) => ({ path: path === '' ? where : `${where}.${path}`, message }))
}

const LIMIT = 'overload.global_downstream_max_connections'

/** layered_runtime may write it nested or with dots; the last layer wins. Other runtime keys change nothing here. */
function overloadLimit(bootstrap: envoy.Bootstrap, context: DecodeContext): number | undefined {
  let limit: number | undefined
  for (const [index, { staticLayer }] of (bootstrap.layeredRuntime?.layers ?? []).entries()) {
    const nested = staticLayer?.overload
    const value = staticLayer?.[LIMIT] ?? (isObject(nested) ? nested.global_downstream_max_connections : undefined)
    if (value === undefined || value === null) continue
    const number = Number(value)
    if (Number.isInteger(number) && number >= 0) limit = number
    else
      context.error(`layered_runtime.layers[${index}].static_layer["${LIMIT}"]`, `${JSON.stringify(value)} is not a number of connections`)
  }
  return limit
}

function isObject(value: envoy.JsonValue | undefined): value is envoy.JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
