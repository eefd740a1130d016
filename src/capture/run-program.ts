// Runs iptables and ip. The only effect of this folder besides the probe of verify-redirect.ts; tests pass their own, which enters a
// network namespace first.
import { execFile } from 'node:child_process'
import { errorCode } from '../base/errors.ts'

export type Ran =
  | { readonly kind: 'ran'; readonly code: number; readonly output: string; readonly errors: string }
  | { readonly kind: 'not-installed' }

export type RunProgram = (program: string, args: readonly string[], input?: string) => Promise<Ran>

/** iptables waits for a lock for half of it. */
const TIMEOUT_MS = 60_000
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024

export const runProgram: RunProgram = (program, args, input = '') =>
  new Promise((resolve) => {
    const child = execFile(program, [...args], { timeout: TIMEOUT_MS, maxBuffer: MAX_OUTPUT_BYTES }, (error, output, errors) => {
      if (errorCode(error) === 'ENOENT') return resolve({ kind: 'not-installed' })
      resolve({
        kind: 'ran',
        code: error === null ? 0 : exitCodeOf(error),
        output,
        errors: errors === '' && error !== null ? error.message : errors,
      })
    })
    // A program that ends without reading its input is judged by its exit code.
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(input)
  })

function exitCodeOf(error: { readonly code?: unknown }): number {
  return typeof error.code === 'number' ? error.code : 1
}
