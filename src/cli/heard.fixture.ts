// For tests of the commands: a context whose surroundings are the test's, and what a command said in it.
import { systemClock } from '../base/clock.ts'
import { seededRandom } from '../base/random.ts'
import type { CliContext } from './command.ts'
import { runCommand } from './run-command.ts'

export interface Heard {
  out: string
  err: string
}

export interface Ran extends Readonly<Heard> {
  readonly code: number
}

/** Where a command runs: its working directory, its environment, what stands on its standard input. */
export interface Surroundings {
  readonly cwd: string
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string
}

export function hearingContext({ cwd, env = {}, input = '' }: Surroundings): { readonly context: CliContext; readonly heard: Heard } {
  const heard = { out: '', err: '' }
  const context: CliContext = {
    write: (text) => {
      heard.out += text
    },
    writeError: (text) => {
      heard.err += text
    },
    readInput: async () => input,
    env,
    cwd,
    colour: false,
    program: [],
    node: process.execPath,
    sidecarNodeOptions: [],
    version: '1.2.3',
    clock: systemClock,
    random: seededRandom(1),
    signal: new AbortController().signal,
  }
  return { context, heard }
}

/** Runs a command as `lateen WORDS` would. */
export async function runWords(words: readonly string[], surroundings: Surroundings): Promise<Ran> {
  const { context, heard } = hearingContext(surroundings)
  const [word = '', ...args] = words
  const code = await runCommand(word, args, context)
  return { code, ...heard }
}
