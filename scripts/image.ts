// npm run image [-- TAG] [--no-load]: builds the image from the Dockerfile with what this machine has: the test cluster's builder (which
// also loads it there), docker, or buildah. Other arguments (--build-arg, --target, --platform) are passed on to it.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'

const root = path.resolve(import.meta.dirname, '..')
const cluster = process.env.LATEEN_CLUSTER ?? path.join(root, '../shared/cluster/cluster')

interface Builder {
  readonly name: string
  readonly there: () => boolean
  readonly command: (tag: string, more: readonly string[]) => readonly [string, ...string[]]
}

const answers = (program: string, ...args: readonly string[]): boolean => spawnSync(program, args, { stdio: 'ignore' }).status === 0

/** The first that is there is used. */
const BUILDERS: readonly Builder[] = [
  { name: "the test cluster's builder", there: () => existsSync(cluster), command: (tag, more) => [cluster, 'build', tag, root, ...more] },
  { name: 'docker', there: () => answers('docker', 'info'), command: (tag, more) => ['docker', 'build', '-t', tag, ...more, root] },
  { name: 'buildah', there: () => answers('buildah', 'version'), command: (tag, more) => ['buildah', 'build', '-t', tag, ...more, root] },
]

const [first, ...others] = process.argv.slice(2)
const named = first !== undefined && !first.startsWith('-')
const version = versionOfPackage()
const tag = named ? first : `lateen/lateen:${version}`
const revision = spawnSync('git', ['-C', root, 'rev-parse', 'HEAD'], { encoding: 'utf8' }).stdout?.trim() || 'unknown'
const more = named ? others : process.argv.slice(2)
const builder = BUILDERS.find(({ there }) => there())

if (builder === undefined) {
  console.error(
    'npm run image needs docker or buildah, and neither answers here. Install one of them: https://docs.docker.com/engine/install',
  )
  process.exitCode = 1
} else {
  console.log(`building ${tag} with ${builder.name}`)
  const [program, ...args] = builder.command(tag, ['--build-arg', `VERSION=${version}`, '--build-arg', `REVISION=${revision}`, ...more])
  process.exitCode = spawnSync(program, args, { stdio: 'inherit' }).status ?? 1
}

function versionOfPackage(): string {
  const value: unknown = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
  return typeof value === 'object' && value !== null && 'version' in value ? String(value.version) : '0.0.0'
}
