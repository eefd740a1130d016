// Our own books against those of the load generator: every request that was ever sent through a chain, the warm-up included, stands in the
// access log and in istio_requests_total of every hop. Called by lanes.ts at the end of a scenario: a proxy that is fast because it
// forgets is not fast.
import { closeSync, openSync, readSync } from 'node:fs'
import type { LoadReport } from '../harness/load.ts'
import { accountedFor } from '../harness/load-process.ts'
import { waitFor } from '../harness/wait.ts'
import type { BenchBootstrap } from './bootstraps.ts'

const NEWLINE = 10
const PIECE = Buffer.alloc(1024 * 1024)

export function assertAllAnswered(peer: string, report: LoadReport): void {
  if (report.statuses[200] === report.sent && accountedFor(report) === report.sent) return
  throw new Error(`${peer} did not answer every request with 200: ${JSON.stringify({ ...report, latencyMs: undefined })}`)
}

/** The log is written behind, so it is awaited. */
export async function assertBooksBalance(hops: readonly BenchBootstrap[], sent: number): Promise<void> {
  for (const hop of hops) {
    const lines = new GrowingLines(hop.accessLogPath)
    await waitFor(() => lines.count() >= sent, { what: `the access log of ${hop.name} with its ${sent} lines` })
    if (lines.count() !== sent) throw new Error(`the access log of ${hop.name} has ${lines.count()} lines, sent were ${sent}`)
    const text = await (await fetch(`http://127.0.0.1:${hop.adminPort}/stats/prometheus`)).text()
    const counted = [...text.matchAll(/^istio_requests_total\{.*\} (\d+)$/gm)].reduce((sum, match) => sum + Number(match[1]), 0)
    if (counted !== sent) throw new Error(`istio_requests_total of ${hop.name} is ${counted}, sent were ${sent}`)
  }
}

/** A log of hundreds of megabytes is looked at many times and read once. */
class GrowingLines {
  readonly #file: string
  #at = 0
  #lines = 0

  constructor(file: string) {
    this.#file = file
  }

  count(): number {
    const descriptor = openSync(this.#file, 'r')
    try {
      for (;;) {
        const length = readSync(descriptor, PIECE, 0, PIECE.length, this.#at)
        if (length === 0) return this.#lines
        this.#at += length
        const piece = PIECE.subarray(0, length)
        for (let at = piece.indexOf(NEWLINE); at !== -1; at = piece.indexOf(NEWLINE, at + 1)) this.#lines++
      }
    } finally {
      closeSync(descriptor)
    }
  }
}
