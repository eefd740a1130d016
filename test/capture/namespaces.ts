// Network namespaces of a test's own, and programs inside them. Needs root, ip and both kinds of iptables; elsewhere tests are skipped
// with the reason.
import { execFileSync, type SpawnSyncReturns, spawnSync } from 'node:child_process'
import path from 'node:path'
import type { TestContext } from 'node:test'
import { type RunProgram, runProgram } from '../../src/capture/run-program.ts'

const LATEEN = path.resolve(import.meta.dirname, '../../src/bin/lateen.ts')
let count = 0

export interface Namespace {
  readonly name: string
  /** What a program printed; throws when it fails. */
  readonly output: (...command: string[]) => string
  /** `lateen iptables`, as its own process. */
  readonly lateen: (...args: string[]) => SpawnSyncReturns<string>
  readonly run: RunProgram
}

export function whatIsMissing(): string | false {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'only root on Linux may make a network namespace'
  for (const program of ['iptables-nft', 'iptables-legacy']) {
    if (spawnSync(program, ['--version']).error !== undefined) return `${program} is not installed`
  }
  return spawnSync('ip', ['-V']).error === undefined ? false : 'ip is not installed'
}

export function makeNamespace(t: TestContext): Namespace {
  const name = `lateen-capture-${process.pid}-${count++}`
  execFileSync('ip', ['netns', 'add', name])
  t.after(() => execFileSync('ip', ['netns', 'delete', name]))
  const inside = (command: readonly string[]): string[] => ['netns', 'exec', name, ...command]
  const namespace: Namespace = {
    name,
    output: (...command) => execFileSync('ip', inside(command), { encoding: 'utf8' }),
    lateen: (...args) => spawnSync('ip', inside([process.execPath, LATEEN, 'iptables', ...args]), { encoding: 'utf8' }),
    run: (program, args, input) => runProgram('ip', inside([program, ...args]), input),
  }
  namespace.output('ip', 'link', 'set', 'lo', 'up')
  return namespace
}

/** Rules and chains, without comments, counters and tables that hold nothing: legacy and nft keep those after the last rule is gone. */
export function rulesOf({ output }: Namespace, ...programs: readonly string[]): string {
  const tables = programs.flatMap((program) =>
    output(`${program}-save`)
      .replaceAll(/^#.*\n/gm, '')
      .split(/(?<=^COMMIT\n)/m),
  )
  const full = tables.filter((table) => /^-A|^:\S+ -/m.test(table))
  return full
    .map((table) => table.replaceAll(/\[\d+:\d+\]/g, ''))
    .sort()
    .join('')
}
