// The simulated proxies of the control plane's bench, all in one process of their own. Orders come from the parent over IPC.
// They check what they receive: how many clusters, endpoints, listeners and route tables everyone holds.
import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE, VIRTUAL_HOST_TYPE } from '../../src/envoy/type-urls.ts'
import { AdsLoadClient } from './ads-load-client.ts'
import { type MeshSize, workloadOf } from './control-mesh.ts'
import { wallMs } from './control-server.ts'

export type ClientsOrder =
  | { readonly do: 'connect'; readonly port: number }
  /** Report when so many clients have received this type after now. */
  | { readonly do: 'expect'; readonly typeUrl: string; readonly clients: number }

export type ClientsReport =
  | { readonly synced: number; readonly atMs: number; readonly bytes: number; readonly refusals: number; readonly held: HeldCounts }
  | { readonly seen: readonly number[]; readonly bytes: number }

export interface HeldCounts {
  /** Fewest and most, over all clients. */
  readonly clusters: readonly [number, number]
  readonly endpoints: readonly [number, number]
  readonly listeners: readonly [number, number]
  readonly routes: readonly [number, number]
  readonly virtualHosts: readonly [number, number]
}

/** Envoy's: exponential from half a second, fully jittered. */
const RETRY_BASE_MS = 500
const RETRY_MAX_MS = 30_000

/** As the newest release says who it is. */
const ENVOY = { userAgentName: 'envoy', userAgentBuildVersion: { version: { majorNumber: 1, minorNumber: 40 } } }

if (process.argv[1] === import.meta.filename) main(JSON.parse(process.argv[2] ?? '{}'))

function main(size: MeshSize): void {
  let port = 0
  let refusals = 0
  let synced = 0
  let reported = false
  let expected: { readonly typeUrl: string; readonly clients: number; readonly seen: Map<AdsLoadClient, number> } | undefined
  const failures = new Map<AdsLoadClient, number>()
  const clients: AdsLoadClient[] = []
  const bytes = (): number => clients.reduce((sum, client) => sum + client.bytes, 0)
  const settle = (): void => {
    if (synced < size.clients || reported) return
    reported = true
    const report: ClientsReport = { synced, atMs: wallMs(), bytes: bytes(), refusals, held: heldBy(clients) }
    process.send?.(report)
  }
  const isSynced = new Set<AdsLoadClient>()
  const events = {
    response(client: AdsLoadClient, typeUrl: string): void {
      failures.delete(client)
      if (client.synced && !isSynced.has(client)) {
        isSynced.add(client)
        synced++
        settle()
      }
      if (expected?.typeUrl !== typeUrl || expected.seen.has(client)) return
      expected.seen.set(client, wallMs())
      if (expected.seen.size < expected.clients) return
      const report: ClientsReport = { seen: [...expected.seen.values()], bytes: bytes() }
      expected = undefined
      process.send?.(report)
    },
    closed(client: AdsLoadClient, why: string): void {
      if (process.env.BENCH_VERBOSE !== undefined) console.error(`client ${client.number}: ${why}`)
      if (isSynced.delete(client)) synced--
      reported = false
      // Nobody listens while the control plane is restarted; a stream that is turned away is a refusal.
      if (!why.includes('ECONNREFUSED') && !why.includes('ECONNRESET') && why !== 'closed') refusals++
      const attempt = (failures.get(client) ?? 0) + 1
      failures.set(client, attempt)
      const delayMs = Math.min(RETRY_BASE_MS * 2 ** Math.min(attempt - 1, 10), RETRY_MAX_MS) * Math.random()
      setTimeout(() => client.connect(port), delayMs)
    },
  }
  for (let number = 0; number < size.clients; number++) {
    const { service, name, namespace } = workloadOf(number, size.services)
    const id = `sidecar~10.9.${Math.floor(number / 250)}.${number % 250}~${name}.${namespace}~${namespace}.svc.cluster.local`
    clients.push(new AdsLoadClient(number, { id, metadata: { SERVICE_ACCOUNT: `svc-${service}` }, ...ENVOY }, events))
  }
  process.on('message', (order: ClientsOrder) => {
    if (order.do === 'connect') {
      port = order.port
      reported = false
      for (const client of clients) client.bytes = 0
      if (synced === 0 && failures.size === 0) for (const client of clients) client.connect(port)
      return
    }
    for (const client of clients) client.bytes = 0
    expected = { typeUrl: order.typeUrl, clients: order.clients, seen: new Map() }
    process.send?.({ expecting: true })
  })
  if (process.env.BENCH_VERBOSE !== undefined)
    setInterval(() => console.error(`${synced} synced, ${failures.size} failing, ${refusals} refusals, ${bytes()} bytes`), 2000)
  process.on('disconnect', () => process.exit(0))
  process.send?.({ ready: true })
}

function heldBy(clients: readonly AdsLoadClient[]): HeldCounts {
  const range = (typeUrl: string): readonly [number, number] => {
    const counts = clients.map(({ held }) => held.get(typeUrl)?.size ?? 0)
    return [Math.min(...counts), Math.max(...counts)]
  }
  return {
    ...{ clusters: range(CLUSTER_TYPE), endpoints: range(ENDPOINT_TYPE), listeners: range(LISTENER_TYPE), routes: range(ROUTE_TYPE) },
    virtualHosts: range(VIRTUAL_HOST_TYPE),
  }
}
