// `lateen install`: the chart of this version into the cluster, by helm. Says beforehand what it is about to do, and afterwards what comes next.
import { type CliContext, EXIT } from './command.ts'
import { addValueOptions, chartFolder, clusterArgs, releaseName, runHelm, type ValueOptions, valueArgs } from './install-helm.ts'
import { describeCommand, parse } from './parse.ts'

export async function install(args: readonly string[], context: CliContext): Promise<number> {
  const command = addValueOptions(describeCommand('install', 'Install the mesh into a Kubernetes cluster (needs helm).'))
  const ended = parse(command, args, context)
  if (ended !== undefined) return ended.exit
  const options: ValueOptions = command.opts()
  const name = releaseName(options)
  const chart = chartFolder()
  const common = [name, chart, ...clusterArgs(options), ...valueArgs(options)]
  if (options.dryRun) return exitOf(await runHelm(['template', ...common, '--include-crds=false'], context, true))
  context.writeError(
    `installing Lateen ${context.version}, profile ${options.profile ?? 'default'}, as release ${name} into namespace ${options.namespace}` +
      `${options.wait ? `; waiting up to ${options.timeout} until it is ready` : ''}\n`,
  )
  const wait = options.wait ? ['--wait', '--timeout', options.timeout] : []
  const answer = await runHelm(['install', ...common, '--create-namespace', ...wait], context, true)
  if (answer.code === 0) return EXIT.fine
  if (/cannot re-?use a name/.test(answer.err)) context.writeError(`lateen: it is installed already; change it with: lateen upgrade\n`)
  else context.writeError(`lateen: not installed; what is in the way: lateen check --pre -n ${options.namespace}\n`)
  return exitOf(answer)
}

/** What helm could not do is told apart from a cluster that does not answer. */
export function exitOf({ code, err }: { readonly code: number; readonly err: string }): number {
  if (code === 0) return EXIT.fine
  return /unreachable|connection refused|no such host|i\/o timeout/i.test(err) ? EXIT.unreachable : EXIT.usage
}
