// The `helm` program and the chart that this installation carries. Used by install, upgrade and uninstall.
// helm is asked and not imitated: what it installs, it must also be able to upgrade, roll back and remove, with anyone's tools.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'
import type { Command } from 'commander'
import { errorCode, LateenError } from '../base/errors.ts'
import type { CliContext } from './command.ts'

export interface HelmAnswer {
  readonly code: number
  readonly out: string
  readonly err: string
}

export interface ReleaseOptions {
  readonly namespace: string
  readonly revision: string
  readonly kubeconfig?: string
  readonly context?: string
}

export interface ValueOptions extends ReleaseOptions {
  readonly profile?: string
  readonly set: readonly string[]
  readonly values: readonly string[]
  readonly dryRun?: true
  readonly wait: boolean
  readonly timeout: string
}

export const SYSTEM_NAMESPACE = 'lateen-system'

const gather = (each: string, before: readonly string[]): readonly string[] => [...before, each]

export function addReleaseOptions(command: Command): Command {
  return command
    .option('-n, --namespace <name>', "the control plane's namespace", SYSTEM_NAMESPACE)
    .option('--revision <name>', 'which control plane, where there are several', 'default')
    .option('--kubeconfig <file>', 'default: KUBECONFIG, then ~/.kube/config')
    .option('--context <name>', 'context of the kubeconfig')
}

export function addValueOptions(command: Command): Command {
  return addReleaseOptions(command)
    .option('--profile <name>', 'dev, default, ha or restricted')
    .option('--set <key=value>', 'a value of the chart; may be repeated', gather, [])
    .option('-f, --values <file>', 'a file of values; may be repeated', gather, [])
    .option('--dry-run', 'show what would be applied, and change nothing')
    .option('--no-wait', 'do not wait until everything is ready')
    .option('--timeout <duration>', 'how long to wait', '5m')
}

/** One release per revision, so that two control planes coexist. */
export function releaseName({ revision }: ReleaseOptions): string {
  return revision === 'default' ? 'lateen' : `lateen-${revision}`
}

export function clusterArgs({ namespace, kubeconfig, context }: ReleaseOptions): readonly string[] {
  return [
    '--namespace',
    namespace,
    ...(kubeconfig === undefined ? [] : ['--kubeconfig', kubeconfig]),
    ...(context === undefined ? [] : ['--kube-context', context]),
  ]
}

export function valueArgs(options: ValueOptions): readonly string[] {
  const revision = options.revision === 'default' ? [] : ['--set-string', `revision=${options.revision}`]
  const profile = options.profile === undefined ? [] : ['--set', `profile=${options.profile}`]
  return [
    ...options.values.flatMap((file) => ['--values', file]),
    ...profile,
    ...revision,
    ...options.set.flatMap((each) => ['--set', each]),
  ]
}

/** The chart beside this program: the repository's, the package's and the image's are at the same place. */
export function chartFolder(from: string = import.meta.dirname): string {
  for (let folder = from; ; folder = path.dirname(folder)) {
    const chart = path.join(folder, 'charts', 'mesh')
    if (existsSync(path.join(chart, 'Chart.yaml'))) return chart
    if (folder === path.dirname(folder))
      throw new LateenError('NO_CHART', `This installation has no chart (looked for charts/mesh above ${from}). Install lateen again.`)
  }
}

/** @param show what helm says is passed on while it says it. */
export function runHelm(args: readonly string[], context: CliContext, show: boolean): Promise<HelmAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<HelmAnswer>()
  const child = spawn('helm', [...args], {
    cwd: context.cwd,
    env: { ...context.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    signal: context.signal,
  })
  const heard = { out: '', err: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    heard.out += text
    if (show) context.write(text)
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    heard.err += text
    if (show) context.writeError(text)
  })
  child.on('error', (error) => reject(errorCode(error) === 'ENOENT' ? noHelm() : error))
  child.on('close', (code) => resolve({ code: code ?? 1, ...heard }))
  return promise
}

function noHelm(): LateenError {
  const message =
    'There is no program `helm` in PATH, and the mesh is installed with it, so that every tool that knows Helm can upgrade and remove it. ' +
    'Install Helm 3.14 or later (https://helm.sh/docs/intro/install), or render the chart elsewhere: it is in charts/mesh.'
  return new LateenError('NO_HELM', message)
}
