// npm run cluster: a kind cluster (kind-config.yaml) with the image in it, for people with Docker. Ends with the command that comes next.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'

const root = path.resolve(import.meta.dirname, '..')
const version = /"version": "([^"]+)"/.exec(readFileSync(path.join(root, 'package.json'), 'utf8'))?.[1] ?? '0.0.0'
const image = `lateen/lateen:${version}`
const run = (program: string, ...args: readonly string[]): boolean => spawnSync(program, args, { stdio: 'inherit', cwd: root }).status === 0
const quiet = (program: string, ...args: readonly string[]): string => spawnSync(program, args, { encoding: 'utf8' }).stdout ?? ''

if (quiet('kind', 'version') === '' || quiet('docker', 'version', '--format', '{{.Server.Version}}').trim() === '') {
  console.error('npm run cluster needs docker (running) and kind: https://kind.sigs.k8s.io/docs/user/quick-start/#installation')
  process.exitCode = 1
} else {
  const there = quiet('kind', 'get', 'clusters').split('\n').includes('lateen')
  const done =
    (there || run('kind', 'create', 'cluster', '--config', 'kind-config.yaml')) &&
    run('docker', 'build', '-t', image, '.') &&
    run('kind', 'load', 'docker-image', image, '--name', 'lateen')
  if (done) console.log('next: npx lateen install --profile dev')
  process.exitCode = done ? 0 : 1
}
