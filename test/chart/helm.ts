// Runs the real `helm` on the chart, as people do, and reads what comes out. Used by the tests of this folder.
// Without helm they are skipped and say so; in CI (LATEEN_TEST_KUBECONFIG set) a missing helm is a failure.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseAllDocuments } from 'yaml'
import { isRecord } from '../../src/api/record.ts'

export const root = fileURLToPath(new URL('../..', import.meta.url))
export const chart = path.join(root, 'charts/mesh')
export const PROFILES = ['dev', 'default', 'ha', 'restricted'] as const
export const kubeconfig = process.env.LATEEN_TEST_KUBECONFIG

export interface Rendered {
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly labels?: Record<string, string>
    readonly annotations?: Record<string, string>
  }
  // A test reads what it knows to be there; what is not fails it.
  readonly [field: string]: unknown
}

const programs = path.join(process.env.XDG_CACHE_HOME ?? path.join(homedir(), '.cache'), 'mesh-test-cluster/bin')
const PATH = existsSync(programs) ? `${programs}${path.delimiter}${process.env.PATH ?? ''}` : (process.env.PATH ?? '')

export interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
}

export function run(program: string, args: readonly string[], input = ''): Ran {
  const env = { ...process.env, PATH, ...(kubeconfig === undefined ? {} : { KUBECONFIG: kubeconfig }) }
  const done = spawnSync(program, [...args], { encoding: 'utf8', input, env, maxBuffer: 64 * 1024 * 1024 })
  if (done.error !== undefined) return { code: 127, out: '', err: done.error.message }
  return { code: done.status ?? 1, out: done.stdout, err: done.stderr }
}

export const helm = (...args: readonly string[]): Ran => run('helm', args)

const hasHelm = helm('version', '--short').code === 0
if (!hasHelm && kubeconfig !== undefined) throw new Error('a cluster is named, but there is no helm in PATH')
export const skipWithoutHelm = hasHelm ? false : 'needs helm (https://helm.sh/docs/intro/install)'
export const skipWithoutCluster =
  kubeconfig === undefined ? 'needs an API server: set LATEEN_TEST_KUBECONFIG to a kubeconfig of a cluster for tests' : skipWithoutHelm

/** What `helm template` gives; throws with helm's words when it refuses. */
export function render(sets: readonly string[] = [], more: readonly string[] = []): string {
  const done = helm('template', 'lateen', chart, '-n', 'lateen-system', ...sets.flatMap((each) => ['--set', each]), ...more)
  if (done.code !== 0) throw new Error(done.err)
  return done.out
}

export function objectsIn(text: string): readonly Rendered[] {
  return parseAllDocuments(text).flatMap((document) => {
    const value: unknown = document.toJS({ maxAliasCount: -1 })
    return isRendered(value) ? [value] : []
  })
}

export const objects = (...sets: readonly string[]): readonly Rendered[] => objectsIn(render(sets))

function isRendered(value: unknown): value is Rendered {
  return isRecord(value) && typeof value.kind === 'string' && isRecord(value.metadata) && typeof value.metadata.name === 'string'
}

export function only(list: readonly Rendered[], kind: string, name: string): Rendered {
  const found = list.filter((each) => each.kind === kind && each.metadata.name === name)
  const [first] = found
  if (first === undefined || found.length > 1) throw new Error(`${found.length} objects ${kind} ${name}`)
  return first
}

/** The value at a dotted path; throws when something on the way is not there. */
export function at(value: unknown, dotted: string): unknown {
  let here = value
  for (const part of dotted.split('.')) {
    if (Array.isArray(here)) here = here[Number(part)]
    else if (isRecord(here) && part in here) here = here[part]
    else throw new Error(`nothing at '${part}' of ${dotted}`)
  }
  return here
}
