// What one measurement has while it runs: a folder and processes, all gone when it ends, however it ends. Used by every row.
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { endProcess } from '../harness/envoy.ts'

export interface Scope {
  readonly folder: string
  /** Whatever is started goes in here before anything can fail. */
  readonly children: ChildProcess[]
}

export async function inScope<T>(work: (scope: Scope) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(path.join(tmpdir(), 'lateen-bench-'))
  const children: ChildProcess[] = []
  try {
    return await work({ folder, children })
  } finally {
    for (const child of children.reverse()) await endProcess(child)
    rmSync(folder, { recursive: true, force: true })
  }
}
