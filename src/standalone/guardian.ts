// No process is ever left behind: the guardian is a small child that holds one end of a pipe. When the parent dies, however it dies
// (SIGKILL runs no handler), the pipe ends and the guardian kills every process group it was told of.
// Invariant: a group is told before its process does any work, and untold only after its process is gone.
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import type { Readable } from 'node:stream'
import { errorCode } from '../base/errors.ts'

export interface Guardian {
  watch(group: number): void
  release(group: number): void
  /** Ends the guardian, which kills what is still being watched. Resolves when it is gone. */
  dismiss(): Promise<void>
}

/** @param command the program that runs `runGuardian` on its standard input. */
export function startGuardian(command: readonly string[], env: Readonly<Record<string, string | undefined>>): Guardian {
  const [program = '', ...args] = command
  // Its own group: Ctrl-C on the terminal must not end the one that cleans up.
  const child: ChildProcess = spawn(program, args, { stdio: ['pipe', 'ignore', 'inherit'], detached: true, env })
  const gone = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
    child.once('error', () => resolve())
  })
  // A guardian that died cannot be told; the supervisor's own way of stopping still works.
  child.stdin?.on('error', () => undefined)
  child.unref()
  const tell = (line: string): void => void child.stdin?.write(line)
  return {
    watch: (group) => tell(`+${group}\n`),
    release: (group) => tell(`-${group}\n`),
    async dismiss() {
      child.stdin?.end()
      await gone
    },
  }
}

/** The guardian's own program: reads `+group` and `-group` lines until the pipe ends, then kills what is left. */
export async function runGuardian(input: Readable, killGroup: (group: number) => void): Promise<void> {
  const groups = new Set<number>()
  let rest = ''
  input.setEncoding('utf8')
  for await (const chunk of input) {
    const lines = (rest + String(chunk)).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      const group = Number(line.slice(1))
      if (!Number.isInteger(group) || group <= 1) continue
      if (line.startsWith('+')) groups.add(group)
      else groups.delete(group)
    }
  }
  for (const group of groups) killGroup(group)
}

/** Kills a whole process group; one that is gone already is what we wanted. */
export function killProcessGroup(group: number, signal: NodeJS.Signals = 'SIGKILL'): void {
  try {
    process.kill(-group, signal)
  } catch (error) {
    if (errorCode(error) !== 'ESRCH' && errorCode(error) !== 'EPERM') throw error
  }
}
