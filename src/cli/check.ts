// `lateen check [--pre]`: is the mesh in this cluster as it should be, or may it be installed? Every line names what was looked at, what was
// seen and what to do. Changes nothing: the one pod that it makes is only pretended.
import { CHECKS_BEFORE, checkApiServer, isUnreachable } from './check-before.ts'
import { connect } from './check-connect.ts'
import { checkCrds, checkInjection, checkReplicas, checkWebhookCertificate } from './check-control-plane.ts'
import type { Check, CheckItem, CheckScope } from './check-item.ts'
import { checkWorkloads } from './check-workloads.ts'
import { type CliContext, EXIT } from './command.ts'
import { addReleaseOptions, type ReleaseOptions } from './install-helm.ts'
import { describeCommand, parse } from './parse.ts'

/** From the ground up: what fails first is the reason for what fails later. */
const CHECKS: readonly Check[] = [checkApiServer, checkCrds, checkReplicas, checkWebhookCertificate, checkInjection, checkWorkloads]

interface CheckOptions extends ReleaseOptions {
  readonly pre?: true
  readonly output: string
}

export async function check(args: readonly string[], context: CliContext): Promise<number> {
  const command = addReleaseOptions(describeCommand('check', 'See whether the mesh in the cluster is as it should be.'))
    .option('--pre', 'before an installation: may it be installed, and what would it meet')
    .option('-o, --output <format>', 'text or json', 'text')
  const ended = parse(command, args, context)
  if (ended !== undefined) return ended.exit
  const options: CheckOptions = command.opts()
  const connected = await connect(options, context)
  if (!connected.ok) {
    context.writeError(`lateen: ${connected.message}\n`)
    return EXIT.unreachable
  }
  const scope = { client: connected.client, cli: context, namespace: options.namespace, revision: options.revision }
  try {
    const items = await runChecks(options.pre ? CHECKS_BEFORE : CHECKS, scope)
    context.write(options.output === 'json' ? `${JSON.stringify({ version: 1, items })}\n` : formatItems(items))
    if (isUnreachable(items)) return EXIT.unreachable
    return items.some(({ verdict }) => verdict === 'problem') ? EXIT.problems : EXIT.fine
  } finally {
    connected.client.close()
  }
}

/** The first one alone: when the API server does not answer, the others would only say it again. */
async function runChecks([first, ...others]: readonly Check[], scope: CheckScope): Promise<readonly CheckItem[]> {
  if (first === undefined) return []
  const ground = await first(scope)
  if (isUnreachable(ground)) return ground
  const answers = await Promise.all(others.map((each) => each(scope)))
  return [...ground, ...answers.flat()]
}

function formatItems(items: readonly CheckItem[]): string {
  const lines = items.map(({ verdict, look, saw, fix }) => {
    const advice = fix === undefined ? '' : `${' '.repeat(9)}fix: ${fix}\n`
    return `${verdict.padEnd(9)}${look}: ${saw}\n${advice}`
  })
  const count = (verdict: string): number => items.filter((item) => item.verdict === verdict).length
  const problems = count('problem')
  const warnings = count('warning')
  const sum = problems + warnings === 0 ? 'no problems found' : `${problems} problems, ${warnings} warnings`
  return `${lines.join('')}\n${sum}\n`
}
