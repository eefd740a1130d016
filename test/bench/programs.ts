// Starts the benchmark's own programs (backends and clients) on the processor that no proxy has. Called by the rows.
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { promisify } from 'node:util'
import { OTHERS_CPU } from './chains.ts'

const run = promisify(execFile)

/** What a client prints when its time is over. */
export interface Printed {
  readonly units?: number
  readonly connections?: number
  readonly bytes?: number
}

export async function client(program: string, args: readonly (number | string)[]): Promise<Printed> {
  const file = path.join(import.meta.dirname, program)
  const { stdout } = await run('taskset', ['-c', String(OTHERS_CPU), process.execPath, file, 'client', ...args.map(String)])
  return JSON.parse(stdout)
}

export async function startProgram(program: string, args: readonly string[] = ['server']): Promise<{ child: ChildProcess; port: number }> {
  const file = path.join(import.meta.dirname, program)
  const child = spawn('taskset', ['-c', String(OTHERS_CPU), process.execPath, file, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [firstLine] = await once(child.stdout, 'data')
  return { child, port: Number(String(firstLine)) }
}
