// What a run of the end-to-end tests that was cut short has left in the cluster: removed by scripts/e2e.ts before it installs.
// Invariant: only what stories made. Their namespaces carry a label; the second release has a name that nobody else gives.
import { execFileSync } from 'node:child_process'
import { setTimeout as pause } from 'node:timers/promises'

/** As test/e2e/harness/story.ts labels them. */
const NAMESPACES = 'lateen.dev/e2e=story'
/** Of test/e2e/revisions.test.ts. */
const SECOND_RELEASE = 'lateen-canary'
/** Of whatever state; versions of Helm disagree about which they list unasked. */
const ALL_STATES = ['--deployed', '--failed', '--pending', '--uninstalling']
const TRIES = 30

export async function removeLeftovers(release: string, system: string, env: NodeJS.ProcessEnv): Promise<void> {
  const read = (program: string, ...args: readonly string[]): string => execFileSync(program, args, { env, encoding: 'utf8' }).trim()
  const helm = (...args: readonly string[]): string => read('helm', ...args, '-n', system)
  const here: unknown = JSON.parse(helm('list', ...ALL_STATES, '-o', 'json'))
  const found = Array.isArray(here) ? here.map((each: unknown) => JSON.stringify(each)) : []
  const is = (name: string, more = ''): boolean => found.some((text) => text.includes(`"name":"${name}"`) && text.includes(more))
  const gone = [SECOND_RELEASE].filter((name) => is(name))
  // Helm refuses to upgrade what it was interrupted in.
  if (is(release, '"status":"pending-')) gone.push(release)
  for (const name of gone) {
    console.log(`== left by an earlier run: release ${name}`)
    helm('uninstall', name, '--wait', '--timeout', '2m')
  }
  const left = (): string => read('kubectl', 'get', 'namespaces', '-l', NAMESPACES, '-o', 'name')
  if (left() === '') return
  console.log(`== left by an earlier run: ${left().replaceAll('\n', ' ')}`)
  read('kubectl', 'delete', 'namespaces', '-l', NAMESPACES, '--wait=false')
  // A story makes the namespace of its name again, which fails while the old one goes.
  for (let tries = 0; tries < TRIES && left() !== ''; tries++) await pause(2000)
}
