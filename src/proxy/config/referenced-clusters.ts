// The clusters that a filter chain can send to: what a listener waits for, and what `lateen explain` lists.
import type { FilterChain, RouteTable, VirtualHost } from './proxy-config.ts'

/** Adds the names to `names`. */
export function clustersOfChain(chain: FilterChain, names: Set<string>): void {
  const { terminal } = chain
  if (terminal.kind === 'tcp-proxy') for (const { name } of terminal.clusters) names.add(name)
  else for (const name of clustersOfTable(terminal.routes)) names.add(name)
}

const known = new WeakMap<RouteTable, ReadonlySet<string>>()

/** Kept per table: it is asked for at every update, also when only endpoints changed. */
export function clustersOfTable(table: RouteTable): ReadonlySet<string> {
  let names = known.get(table)
  if (names === undefined) {
    names = new Set(hostsOf(table).flatMap(clustersOfHost))
    known.set(table, names)
  }
  return names
}

function hostsOf(table: RouteTable): readonly VirtualHost[] {
  const hosts = [
    ...table.exactHosts.values(),
    ...table.suffixHosts.map((each) => each.virtualHost),
    ...table.prefixHosts.map((each) => each.virtualHost),
  ]
  return table.defaultHost === undefined ? hosts : [...hosts, table.defaultHost]
}

const knownOfHost = new WeakMap<VirtualHost, readonly string[]>()

/** Kept per virtual host: a table of a thousand is made anew when one of them changes. */
function clustersOfHost(host: VirtualHost): readonly string[] {
  const found = knownOfHost.get(host) ?? findClusters(host)
  knownOfHost.set(host, found)
  return found
}

function findClusters(host: VirtualHost): readonly string[] {
  return host.routes.flatMap(({ action }) => (action.kind === 'forward' ? action.clusters.map(({ name }) => name) : []))
}
