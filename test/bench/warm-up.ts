// How a proxy is brought to its steady state before a window of it is judged: by a number of requests, the same for every peer. V8 compiles
// by how often a function ran, not by how long it was there: a warm-up of so many seconds would judge a slow day by another code than a fast
// one. Called by lanes.ts, protocols.ts and handshakes.ts. Pure but for what it is given to run.

export interface WarmUp {
  readonly requests: number
  /** Whichever is first: a machine that is too slow for the number must not hang on it. */
  readonly maxSeconds: number
}

/** From about 40,000 requests on the cost of our own proxies does not fall any more. */
export const FULL_WARM_UP: WarmUp = { requests: 60_000, maxSeconds: 25 }
export const SHORT_WARM_UP: WarmUp = { requests: 40_000, maxSeconds: 15 }

/** What they cost is told in a row of its own: a sidecar pays it once, after its start. */
export const FIRST_REQUESTS = 10_000

/** How large a comparison is. */
export interface Size {
  readonly rounds: number
  /** Of one window. */
  readonly seconds: number
  readonly warmUp: WarmUp
}

const SLICE_SECONDS = 2

/** For clients that run for a time and count what came through: in slices, until so much has come through or the time is over. */
export async function warmBySlices(run: (seconds: number) => Promise<number>, units: number, maxSeconds: number): Promise<void> {
  let through = 0
  for (let seconds = 0; seconds < maxSeconds && through < units; seconds += SLICE_SECONDS) through += await run(SLICE_SECONDS)
}
