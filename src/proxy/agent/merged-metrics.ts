// One answer with the proxy's series and the application's, so that Prometheus needs one port and no client certificate under STRICT.
// Joined as text, as Istio's agent does: the application's families stand after the proxy's and are not interpreted.
// Invariants: each part ends with a whole line; an application that does not answer costs its own series, not the proxy's.
import { errorMessage } from '../../base/errors.ts'
import type { ScrapeSettings } from '../../envoy/agent-settings.ts'
import { prometheusText } from '../telemetry/prometheus-text.ts'
import type { AgentState } from './agent-state.ts'
import { httpGet } from './http-get.ts'

const MAX_BYTES = 10 * 1024 * 1024
const DEFAULT_TIMEOUT_MS = 10_000
/** The format that ours can stand beside; OpenMetrics ends with a line after which nothing may come. */
const ACCEPT = 'text/plain;version=0.0.4'

interface Target {
  readonly port: number
  readonly path: string
}

export class MergedMetrics {
  scrapes = 0
  failures = 0
  readonly #state: AgentState
  readonly #targets: readonly Target[]
  #pending: Promise<readonly string[]> | undefined

  constructor(state: AgentState) {
    this.#state = state
    this.#targets = targetsOf(state.settings.scrape)
  }

  /** @param timeoutHeader how long Prometheus waits for all of it (X-Prometheus-Scrape-Timeout-Seconds). */
  async collect(timeoutHeader: string | undefined): Promise<Iterable<string>> {
    const { families, collect } = this.#state
    // Shared by all who ask meanwhile: what many ask for is held once.
    this.#pending ??= this.#scrapeAll(timeoutHeader).finally(() => {
      this.#pending = undefined
    })
    const [parts] = await Promise.all([this.#pending, collect()])
    return (function* () {
      yield* prometheusText(families())
      yield* parts
    })()
  }

  async #scrapeAll(timeoutHeader: string | undefined): Promise<readonly string[]> {
    const { clock } = this.#state
    const seconds = Number(timeoutHeader ?? Number.NaN)
    const late = new AbortController()
    const timeoutMs = seconds > 0 ? Math.min(seconds * 1000 * 0.9, DEFAULT_TIMEOUT_MS) : DEFAULT_TIMEOUT_MS
    const timer = clock.after(timeoutMs, () => late.abort(new Error(`no answer within ${Math.round(timeoutMs)} ms`)), { background: true })
    const parts = await Promise.all(this.#targets.map((target) => this.#scrape(target, late.signal)))
    timer.cancel()
    return parts
  }

  async #scrape({ port, path }: Target, signal: AbortSignal): Promise<string> {
    const { podAddress } = this.#state
    this.scrapes++
    try {
      const headers = { accept: ACCEPT, 'user-agent': 'lateen-proxy' }
      const answer = await httpGet({ host: podAddress, port, path, secure: false, headers, maxBytes: MAX_BYTES }, podAddress, signal)
      if (answer.status !== 200) throw new Error(`it answered ${answer.status}`)
      if (answer.cut) this.#fail(port, path, `more than ${MAX_BYTES} bytes, the rest is left out`)
      return wholeLines(answer.body.toString('utf8'), answer.cut)
    } catch (error) {
      return this.#fail(port, path, errorMessage(error))
    }
  }

  #fail(port: number, path: string, problem: string): string {
    this.failures++
    this.#state.log.debug("the application's metrics cannot be read", { port, path, problem })
    return ''
  }
}

function targetsOf(scrape: ScrapeSettings | undefined): readonly Target[] {
  if (scrape === undefined) return []
  const { port, path, targets = [] } = scrape
  const all = [...(port === undefined ? [] : [{ port, path }]), ...targets]
  return all.map((each) => ({ port: each.port, path: slashed(each.path ?? '/metrics') }))
}

function slashed(path: string): string {
  return path.startsWith('/') ? path : `/${path}`
}

/** Without a half line at the end, and without OpenMetrics' mark of the end. */
function wholeLines(text: string, cut: boolean): string {
  const whole = cut ? text.slice(0, text.lastIndexOf('\n') + 1) : text
  const sound = whole.replaceAll(/^# EOF\r?\n?/gm, '')
  return sound === '' || sound.endsWith('\n') ? sound : `${sound}\n`
}
