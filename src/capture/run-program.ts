// Runs iptables and ip. The only effect of this folder besides the probe of verify-redirect.ts; tests pass their own, which enters a
// network namespace first.
import { type ExecFileException, execFile } from 'node:child_process'
import { errorCode, errorMessage } from '../base/errors.ts'

export type Ran =
  | { readonly kind: 'ran'; readonly code: number; readonly output: string; readonly errors: string }
  | { readonly kind: 'not-installed' }

export type RunProgram = (program: string, args: readonly string[], input?: string) => Promise<Ran>

/** iptables waits for a lock for half of it. */
const TIMEOUT_MS = 60_000
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024

export const runProgram: RunProgram = (program, args, input = '') =>
  new Promise((resolve) => {
    try {
      const options = { timeout: TIMEOUT_MS, maxBuffer: MAX_OUTPUT_BYTES }
      const child = execFile(program, [...args], options, (error, output, errors) => resolve(outcome(error, output, errors)))
      // A program that ends without reading its input is judged by its exit code.
      child.stdin?.on('error', () => undefined)
      child.stdin?.end(input)
    } catch (error) {
      // Node throws what it does not expect of a spawn, EPERM among it.
      resolve({ kind: 'ran', code: 1, output: '', errors: errorMessage(error) })
    }
  })

function outcome(error: ExecFileException | null, output: string, errors: string): Ran {
  if (error === null) return { kind: 'ran', code: 0, output, errors }
  if (errorCode(error) === 'ENOENT') return { kind: 'not-installed' }
  const said = error.killed === true ? 'timed out' : errors === '' ? error.message : errors
  return { kind: 'ran', code: typeof error.code === 'number' ? error.code : 1, output, errors: said }
}
