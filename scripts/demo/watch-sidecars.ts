// Reads every sidecar of the running mesh once per call: counters from /stats/prometheus, identity and expiry from /certs.
import { askDesiredMesh } from '../../src/standalone/mesh-api.ts'
import { connectMesh } from '../../src/standalone/mesh-client.ts'
import { difference, NO_SAMPLE, quantileMs, readSample, type Sample } from './prometheus.ts'

export interface SidecarRow {
  readonly name: string
  readonly identity: string
  readonly certificateForMs: number | undefined
  readonly requestsPerSecond: number
  /** 0 to 1; undefined without requests. */
  readonly success: number | undefined
  readonly p50Ms: number | undefined
  readonly p99Ms: number | undefined
}

/** Rates and quantiles are over this time: long enough to be steady, short enough to show a change. */
const WINDOW_MS = 10_000

export class SidecarWatch {
  readonly #socket: string
  readonly #history = new Map<string, { readonly atMs: number; readonly sample: Sample }[]>()

  constructor(socket: string) {
    this.#socket = socket
  }

  async read(): Promise<readonly SidecarRow[]> {
    const { addresses, workloads } = await askDesiredMesh(connectMesh(this.#socket))
    const entries = Object.entries(addresses.workloads).sort(([a], [b]) => (a < b ? -1 : 1))
    return Promise.all(
      entries.map(([key, { admin, workload }]) => {
        const object = workloads.find(({ metadata }) => `${metadata.namespace}/${metadata.name}` === workload)
        const reporter = object?.spec.command === undefined ? 'source' : 'destination'
        return this.#readOne(key.split('/')[1] ?? key, `http://${admin.host}:${admin.port}`, reporter)
      }),
    )
  }

  async #readOne(name: string, admin: string, reporter: 'source' | 'destination'): Promise<SidecarRow> {
    const [metrics, certificates] = await Promise.all([fetchText(`${admin}/stats/prometheus`), fetchText(`${admin}/certs`)])
    const nowMs = Date.now()
    const history = this.#history.get(name) ?? []
    history.push({ atMs: nowMs, sample: metrics === undefined ? NO_SAMPLE : readSample(metrics, reporter) })
    while (history.length > 2 && (history[1]?.atMs ?? nowMs) < nowMs - WINDOW_MS) history.shift()
    this.#history.set(name, history)
    const [first] = history
    const last = history.at(-1)
    const change = first === undefined || last === undefined ? NO_SAMPLE : difference(last.sample, first.sample)
    const seconds = Math.max(0.001, (nowMs - (first?.atMs ?? nowMs)) / 1000)
    return {
      name,
      ...identityIn(certificates, nowMs),
      requestsPerSecond: change.total / seconds,
      success: change.total === 0 ? undefined : 1 - change.failed / change.total,
      p50Ms: quantileMs(change, 0.5),
      p99Ms: quantileMs(change, 0.99),
    }
  }
}

async function fetchText(url: string): Promise<string | undefined> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(900) })
    return response.ok ? await response.text() : undefined
  } catch {
    return undefined
  }
}

function identityIn(
  certificates: string | undefined,
  nowMs: number,
): { readonly identity: string; readonly certificateForMs: number | undefined } {
  const identity = /spiffe:\/\/[^"]+\/ns\/([^/"]+)\/sa\/([^/"]+)/.exec(certificates ?? '')
  const expires = [...(certificates ?? '').matchAll(/"expiration_time":\s*"([^"]+)"/g)]
    .map((match) => Date.parse(match[1] ?? ''))
    .sort((a, b) => a - b)
  const soonest = expires[0]
  return {
    identity: identity === null ? '-' : `${identity[1]}/${identity[2]}`,
    certificateForMs: soonest === undefined ? undefined : soonest - nowMs,
  }
}
