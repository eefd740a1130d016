// `lateen upgrade`: this version's chart over the installed release. Shows object by object what changes, and asks (by --yes) before it
// removes something.
import { type CliContext, EXIT } from './command.ts'
import { exitOf } from './install.ts'
import { addValueOptions, chartFolder, clusterArgs, releaseName, runHelm, type ValueOptions, valueArgs } from './install-helm.ts'
import { describeCommand, parse } from './parse.ts'
import { formatPlan, planUpgrade, type UpgradePlan } from './upgrade-plan.ts'

interface UpgradeOptions extends ValueOptions {
  readonly yes?: true
  readonly resetValues?: true
}

export async function upgrade(args: readonly string[], context: CliContext): Promise<number> {
  const command = addValueOptions(
    describeCommand('upgrade', "Bring the installed mesh to this program's version, or to other values (needs helm)."),
  )
    .option('--reset-values', 'forget the values of the installation; default: they stay, and --set and -f change them')
    .option('--yes', 'also when objects are removed')
  const ended = parse(command, args, context)
  if (ended !== undefined) return ended.exit
  const options: UpgradeOptions = command.opts()
  const name = releaseName(options)
  const cluster = clusterArgs(options)
  const present = await runHelm(['get', 'manifest', name, ...cluster], context, false)
  if (present.code !== 0) return notInstalled(present, options, context)

  const keep = options.resetValues ? '--reset-values' : '--reset-then-reuse-values'
  const change = ['upgrade', name, chartFolder(), ...cluster, keep, ...valueArgs(options)]
  const rendered = await runHelm([...change, '--dry-run=server', '-o', 'json'], context, false)
  if (rendered.code !== 0) {
    context.writeError(rendered.err)
    return exitOf(rendered)
  }
  const plan = planUpgrade(present.out, manifestOf(rendered.out))
  context.writeError(`release ${name} in namespace ${options.namespace}, to Lateen ${context.version}:\n${formatPlan(plan)}`)
  if (options.dryRun) return EXIT.fine
  if (needsYes(plan) && options.yes !== true) {
    context.writeError('lateen: objects would be removed (-); if that is meant, say --yes\n')
    return EXIT.usage
  }
  const wait = options.wait ? ['--wait', '--timeout', options.timeout] : []
  const answer = await runHelm([...change, ...wait], context, true)
  if (answer.code !== 0) context.writeError(`lateen: the upgrade failed; go back with: helm rollback ${name} ${cluster.join(' ')}\n`)
  return exitOf(answer)
}

function needsYes({ removed }: UpgradePlan): boolean {
  return removed.length > 0
}

/** helm's JSON of a release: everything but the hooks, as one YAML text. */
function manifestOf(json: string): string {
  const release: unknown = JSON.parse(json)
  return typeof release === 'object' && release !== null && 'manifest' in release ? String(release.manifest) : ''
}

function notInstalled(answer: { readonly code: number; readonly err: string }, options: ValueOptions, context: CliContext): number {
  if (!answer.err.includes('not found')) {
    context.writeError(answer.err)
    return exitOf(answer)
  }
  context.writeError(
    `lateen: there is no release ${releaseName(options)} in namespace ${options.namespace}; install it with: lateen install, or say where it is with -n and --revision\n`,
  )
  return EXIT.usage
}
