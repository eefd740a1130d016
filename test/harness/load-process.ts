// Runs the load generator in a child process.
import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'
import type { LoadPlan, LoadReport } from './load.ts'

const run = promisify(execFile)
const PROGRAM = path.join(import.meta.dirname, 'load-program.ts')

/** @param cpu pins the generator to one processor (Linux), so that it does not take the proxy's. */
export async function runLoadProcess(plan: LoadPlan, cpu?: number): Promise<LoadReport> {
  const command = [process.execPath, PROGRAM, JSON.stringify(plan)]
  const [program = '', ...args] = cpu === undefined ? command : ['taskset', '-c', String(cpu), ...command]
  const { stdout } = await run(program, args, { maxBuffer: 16 * 1024 * 1024 })
  return JSON.parse(stdout) as LoadReport
}

/** The sum over all statuses and all broken requests: equals `sent` when nothing was lost from the books. */
export function accountedFor(report: LoadReport): number {
  const sum = (counts: Readonly<Record<string, number>>): number => Object.values(counts).reduce((total, count) => total + count, 0)
  return sum(report.statuses) + sum(report.broken)
}
