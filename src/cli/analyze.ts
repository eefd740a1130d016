// `lateen analyze FILE|DIR|-`: everything that the control plane would find, without a mesh: reading, validation and a whole compile.
// Invariant: it calls the same functions as the control plane, so that a file which passes here has no surprise there.
import type { Finding } from '../api/finding.ts'
import { readYaml } from '../api/read-yaml.ts'
import { compileRegex } from '../base/regex.ts'
import { DEFAULT_MESH_SETTINGS } from '../model/mesh-settings.ts'
import { compileMesh } from '../operator/compile/compile-mesh.ts'
import { emptyKubeState, nextKubeState } from '../operator/ingest/kube-state.ts'
import { instancesOf, plannedService } from '../standalone/address-book.ts'
import { NO_ASSIGNMENTS, planAddresses } from '../standalone/address-plan.ts'
import { type CliContext, EXIT } from './command.ts'
import { fails, printFindings, summarise } from './findings.ts'
import { type InputText, readInputs } from './input.ts'
import { describeCommand, parse } from './parse.ts'

export async function analyze(args: readonly string[], context: CliContext): Promise<number> {
  const command = describeCommand('analyze', 'Check files without a running mesh. Exit code 2 when there are problems.')
    .argument('<path...>', 'files, directories, or - for standard input')
    .option('-n, --namespace <name>', 'namespace of objects that name none', 'default')
    .option('-o, --output <format>', 'text or json', 'text')
    .option('--fail-on <severity>', 'error or warning', 'error')
  const ended = parse(command, args, context)
  if (ended !== undefined) return ended.exit
  const options: { namespace: string; output: string; failOn: string } = command.opts()
  if (options.failOn !== 'error' && options.failOn !== 'warning') {
    context.writeError(`lateen: --fail-on is '${options.failOn}'; it must be error or warning\n`)
    return EXIT.usage
  }
  const findings = findAll(await readInputs(command.args, context), options.namespace)
  if (options.output === 'json') context.write(`${JSON.stringify({ findings }, null, 2)}\n`)
  else context.write(`${printFindings(findings, context)}${summarise(findings)}\n`)
  return fails(findings, options.failOn) ? EXIT.problems : EXIT.fine
}

export function findAll(inputs: readonly InputText[], defaultNamespace: string): readonly Finding[] {
  const read = inputs.map(({ name, text }) => readYaml(text, name, { defaultNamespace, compileRegex }))
  const state = nextKubeState(
    emptyKubeState,
    read.flatMap(({ objects }) => objects),
  )
  const workloads = instancesOf([...state.objects.LocalWorkload.values()], undefined)
  const services = [...state.objects.Service.values()].map(plannedService)
  const options = { strategy: 'loopback', mesh: 1, unavailablePorts: new Set<number>(), firstUnprivilegedPort: 1024 } as const
  const { plan } = planAddresses(workloads, services, NO_ASSIGNMENTS, options)
  const ready = new Set(Object.keys(plan.workloads))
  const compiled = compileMesh({ state, settings: DEFAULT_MESH_SETTINGS, addresses: plan, capture: 'bind', ready, compileRegex })
  return [...read.flatMap(({ findings }) => findings), ...compiled.findings]
}
