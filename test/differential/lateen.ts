// Our proxy as a process of its own, started from a bootstrap like Envoy's. Called by differential.test.ts and generated/lab.ts.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { endProcess } from '../harness/envoy.ts'
import { waitForHttp } from '../harness/wait.ts'

const LATEEN = path.resolve(import.meta.dirname, '../../dist/lateen.js')

/** Resolves, when it is ready, to what stops it. */
export async function startLateen(bootstrap: unknown, adminPort: number): Promise<() => Promise<void>> {
  return (await startLateenProcess(bootstrap, adminPort)).stop
}

/** The same for whoever looks at the process. */
export async function startLateenProcess(
  bootstrap: unknown,
  adminPort: number,
): Promise<{ readonly pid: number; readonly stop: () => Promise<void> }> {
  const folder = mkdtempSync(path.join(tmpdir(), 'lateen-differential-'))
  const file = path.join(folder, 'bootstrap.json')
  writeFileSync(file, JSON.stringify(bootstrap))
  const child = spawn(process.execPath, [LATEEN, 'proxy', '-c', file, '--concurrency', '1'], { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const stop = async (): Promise<void> => {
    await endProcess(child)
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    await waitForHttp(`http://127.0.0.1:${adminPort}/ready`, { what: 'lateen proxy', while: () => child.exitCode === null })
  } catch (error) {
    await stop()
    throw new Error(output, { cause: error })
  }
  return { pid: child.pid ?? 0, stop }
}
