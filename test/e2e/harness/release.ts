// The release of the chart as a story changes it: other values for a while, and then those of before.
import path from 'node:path'
import { run } from './kubectl.ts'
import { SYSTEM } from './story.ts'

export const CHART = path.resolve(import.meta.dirname, '../../../charts/mesh')
export const RELEASE = 'lateen'
const WAIT = ['--wait', '--timeout', '110s']

export async function helm(args: readonly string[], input = ''): Promise<string> {
  return (await run('helm', [...args, '-n', SYSTEM], input)).stdout
}

/** What the user has set, as YAML for `-f -`. */
export function valuesOfRelease(): Promise<string> {
  return helm(['get', 'values', RELEASE, '-o', 'yaml'])
}

/** Installs or upgrades a release to `values` and `sets`, and returns when everything of it is ready. */
export async function upgrade(release: string, values: string, sets: readonly string[] = [], chart = CHART): Promise<void> {
  const args = ['upgrade', '--install', release, chart, '--reset-values', '-f', '-', ...sets.flatMap((set) => ['--set', set]), ...WAIT]
  await helm(args, values)
}

/** The mesh with other values while `act` runs. */
export async function withValues(sets: readonly string[], act: () => Promise<void>): Promise<void> {
  const before = await valuesOfRelease()
  try {
    await upgrade(RELEASE, before, sets)
    await act()
  } finally {
    await upgrade(RELEASE, before)
  }
}
