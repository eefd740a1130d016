// What a command of the CLI is: arguments and a context in, an exit code out. Nothing here or below touches the process.
// Exit codes are the same for every command and every output format.
import type { Clock } from '../base/clock.ts'
import type { Random } from '../base/random.ts'

export const EXIT = {
  fine: 0,
  /** A wrong option, a missing file, an unexpected failure. */
  usage: 1,
  /** The configuration has problems. */
  problems: 2,
  /** No mesh answers. */
  unreachable: 3,
  /** Some objects were applied, others not. */
  partly: 4,
} as const

export interface CliContext {
  readonly write: (text: string) => void
  readonly writeError: (text: string) => void
  /** All of standard input. */
  readonly readInput: () => Promise<string>
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  readonly colour: boolean
  /** How this program is started again: node, its options, the file. */
  readonly program: readonly string[]
  readonly node: string
  /** Node's options for a sidecar's process. */
  readonly sidecarNodeOptions: readonly string[]
  readonly version: string
  readonly clock: Clock
  readonly random: Random
  /** Aborts on Ctrl-C. */
  readonly signal: AbortSignal
}

export type RunCommand = (args: readonly string[], context: CliContext) => Promise<number>
