// npm run test:e2e [-- FILE...]: the user stories of test/e2e on a real cluster: the one that KUBECONFIG names, or the test cluster beside the
// repository, which is started for it. Removes what an earlier run that was cut short has left, builds the images, installs the chart, runs the
// stories one after another, uninstalls.
//   --all       the full part too: what takes long (test/e2e/all)
//   --keep      leaves the mesh installed, for another run
//   --no-build  takes the images as they are
import { execFileSync, spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, globSync, mkdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { build } from 'esbuild'
import { removeLeftovers } from './e2e-leftovers.ts'

const root = path.resolve(import.meta.dirname, '..')
const cluster = process.env.LATEEN_CLUSTER ?? path.join(root, '../shared/cluster/cluster')
const TAG = 'e2e'
const EARLIER = path.join(root, '.cache/e2e-earlier')
const NAMESPACE = 'lateen-system'
const RELEASE = 'lateen'

const { values, positionals } = parseArgs({
  options: {
    all: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
    'no-build': { type: 'boolean', default: false },
  },
  allowPositionals: true,
})

const env = clusterEnvironment()
await removeLeftovers(RELEASE, NAMESPACE, env)
if (!values['no-build']) await buildImages()
if (isInstalled()) {
  install()
  // The tag is what it was, so that Kubernetes sees nothing to do: pods would go on with the images of before.
  run('kubectl', ['rollout', 'restart', 'deployment', '-n', NAMESPACE])
  for (const name of ['control-plane', 'ingressgateway', 'egressgateway'])
    run('kubectl', ['rollout', 'status', `deployment/lateen-${name}`, '-n', NAMESPACE, '--timeout=2m'])
} else install()
const files = positionals.length > 0 ? positionals : stories()
// A run of its own for the story that uninstalls: the test runner sorts what it is given.
const outcomes = [files.filter((file) => !isLast(file)), files.filter(isLast)].filter((some) => some.length > 0).map(runStories)
if (!values.keep) run('helm', ['uninstall', RELEASE, '-n', NAMESPACE, '--wait', '--timeout', '2m'])
process.exitCode = outcomes.every((passed) => passed) ? 0 : 1

function isInstalled(): boolean {
  return spawnSync('helm', ['status', RELEASE, '-n', NAMESPACE], { env, stdio: 'ignore' }).status === 0
}

function install(): void {
  const gateways = ['--set', 'gateways.ingressgateway.enabled=true', '--set', 'gateways.egressgateway.enabled=true']
  const release = ['upgrade', '--install', RELEASE, path.join(root, 'charts/mesh'), '-n', NAMESPACE, '--create-namespace']
  run('helm', [...release, '--wait', '--timeout', '3m', '--set', `image.tag=${TAG}`, ...gateways])
}

function stories(): readonly string[] {
  return globSync(['test/e2e/*.test.ts', ...(values.all ? ['test/e2e/all/*.test.ts'] : [])], { cwd: root }).sort()
}

function isLast(file: string): boolean {
  return file.endsWith('release.test.ts')
}

function runStories(some: readonly string[]): boolean {
  const args = ['--test', '--test-concurrency=1', ...some]
  return spawnSync(process.execPath, args, { cwd: root, env: { ...env, ...earlier() }, stdio: 'inherit' }).status === 0
}

/** What test/e2e/release.test.ts upgrades from: the first commit that was held to the stories of status and lifecycle.
 *  Without the history (a shallow clone) there is none, and the story says so. */
function earlier(): NodeJS.ProcessEnv {
  return existsSync(path.join(EARLIER, 'charts/mesh')) ? { LATEEN_E2E_EARLIER_CHART: path.join(EARLIER, 'charts/mesh') } : {}
}

function takeOutEarlier(): boolean {
  const log = ['log', '--diff-filter=A', '--format=%H', '--', 'test/e2e/status.test.ts']
  const commit = execFileSync('git', log, { cwd: root, encoding: 'utf8' }).trim().split('\n').at(-1) ?? ''
  if (commit === '') return false
  rmSync(EARLIER, { recursive: true, force: true })
  mkdirSync(EARLIER, { recursive: true })
  const archive = execFileSync('git', ['archive', commit], { cwd: root, maxBuffer: 1 << 30 })
  execFileSync('tar', ['-x', '-C', EARLIER], { input: archive })
  return true
}

/** KUBECONFIG of the caller, or the test cluster's, with kubectl and helm in PATH. */
function clusterEnvironment(): NodeJS.ProcessEnv {
  if (process.env.KUBECONFIG !== undefined) return process.env
  if (!existsSync(cluster)) {
    console.error(
      `npm run test:e2e needs a cluster: set KUBECONFIG to a kubeconfig of a cluster for tests (npm run cluster starts one with kind)`,
    )
    failed()
  }
  execFileSync(cluster, ['up'], { stdio: 'inherit' })
  const exports = execFileSync(cluster, ['env'], { encoding: 'utf8' })
  const text = execFileSync('bash', ['-c', `${exports}\nprintf '%s\\n%s' "$KUBECONFIG" "$PATH"`], { encoding: 'utf8' })
  const [kubeconfig = '', programs = ''] = text.split('\n')
  return { ...process.env, KUBECONFIG: kubeconfig, PATH: programs }
}

async function buildImages(): Promise<void> {
  run(process.execPath, ['scripts/image.ts', `lateen/lateen:${TAG}`])
  if (takeOutEarlier()) buildImage('lateen/lateen:earlier', EARLIER)
  const folder = path.join(root, '.cache/e2e-app')
  mkdirSync(folder, { recursive: true })
  await build({
    entryPoints: [path.join(root, 'test/e2e/app/app.ts')],
    ...{ bundle: true, platform: 'node', format: 'esm', target: 'node24', outfile: path.join(folder, 'app.mjs') },
  })
  copyFileSync(path.join(root, 'test/e2e/app/Dockerfile'), path.join(folder, 'Dockerfile'))
  const images = [
    ['lateen/e2e:dev', folder],
    ['lateen/bookinfo:dev', path.join(root, 'samples/bookinfo')],
    ['lateen/e2e-mariadb:dev', path.join(root, 'test/e2e/mariadb')],
  ] as const
  for (const [tag, context] of images) buildImage(tag, context)
}

function buildImage(tag: string, context: string): void {
  if (existsSync(cluster)) run(cluster, ['build', tag, context])
  else run('docker', ['build', '-t', tag, context])
}

function failed(): never {
  process.exit(1)
}

function run(program: string, args: readonly string[]): void {
  console.log(`== ${program} ${args.join(' ')}`)
  const { status } = spawnSync(program, args, { cwd: root, env, stdio: 'inherit' })
  if (status !== 0) failed()
}
