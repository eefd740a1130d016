// Waiting for a condition of another process: polled, bounded, and with a reason when it does not come true.
import http from 'node:http'

const POLL_MS = 20

export interface WaitOptions {
  /** What is awaited, for the error. */
  readonly what: string
  readonly timeoutMs?: number
  /** Between two looks, for those that cost something. */
  readonly pollMs?: number
  /** Stop early when this turns false (the process died). */
  readonly while?: () => boolean
}

/** Polls until `condition` gives a value other than undefined and false. */
export async function waitFor<T>(
  condition: () => Promise<T | undefined | false> | T | undefined | false,
  options: WaitOptions,
): Promise<T> {
  const deadline = performance.now() + (options.timeoutMs ?? 15_000)
  for (;;) {
    const value = await condition()
    if (value !== undefined && value !== false) return value
    if (options.while?.() === false) throw new Error(`${options.what} ended before it was ready`)
    if (performance.now() > deadline) throw new Error(`${options.what} was not ready in time`)
    await new Promise((resolve) => setTimeout(resolve, options.pollMs ?? POLL_MS))
  }
}

/** Waits for a 200. */
export function waitForHttp(url: string, options: WaitOptions): Promise<true> {
  return waitFor(async () => ((await statusOf(url)) === 200 ? true : undefined), options)
}

function statusOf(url: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    const request = http.get(url, { agent: false }, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
    request.on('error', () => resolve(undefined))
  })
}
