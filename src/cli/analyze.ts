// `lateen analyze FILE|DIR|-`: everything that the control plane would find, without a mesh: reading, validation, a whole compile, and
// objects against each other. Invariant: it calls the same functions as the control plane, so that a file which passes here has no
// surprise there.
import { stringify } from 'yaml'
import type { Finding } from '../api/finding.ts'
import { readYaml } from '../api/read-yaml.ts'
import { unsuppressed } from '../api/suppression.ts'
import { compileRegex } from '../base/regex.ts'
import { DEFAULT_MESH_SETTINGS } from '../model/mesh-settings.ts'
import { analyzeMesh } from '../operator/analyze/analyze-mesh.ts'
import { type CompiledMesh, compileMesh } from '../operator/compile/compile-mesh.ts'
import { emptyKubeState, type KubeState, nextKubeState } from '../operator/ingest/kube-state.ts'
import { locateFindings } from '../operator/ingest/locate.ts'
import { mergeSources } from '../operator/ingest/merge.ts'
import { instancesOf, plannedService } from '../standalone/address-book.ts'
import { NO_ASSIGNMENTS, planAddresses } from '../standalone/address-plan.ts'
import { type CliContext, EXIT } from './command.ts'
import { isCode, noSuchCode } from './explain.ts'
import { FAIL_ON, type FailOn, fails, findingsTable, printFindings, summarise } from './findings.ts'
import { type InputText, readInputs } from './input.ts'
import { describeCommand, parse } from './parse.ts'
import { templatePods } from './template-pods.ts'

const FORMATS = ['text', 'table', 'json', 'yaml'] as const

interface Options {
  readonly namespace: string
  readonly output: (typeof FORMATS)[number]
  readonly failOn: FailOn
  readonly ignore: readonly string[]
}

export async function analyze(args: readonly string[], context: CliContext): Promise<number> {
  const command = describeCommand('analyze', 'Check files without a running mesh. Exit code 2 when there are problems.')
    .argument('<path...>', 'files, directories, or - for standard input')
    .option('-n, --namespace <name>', 'namespace of objects that name none', 'default')
    .option('-o, --output <format>', FORMATS.join(', '), 'text')
    .option('--fail-on <severity>', FAIL_ON.join(', '), 'error')
    .option('--ignore <code...>', 'leave out Findings with these codes, for example LTN0148,LTN0306')
  const ended = parse(command, args, context)
  if (ended !== undefined) return ended.exit
  const options = checkOptions(command.opts())
  if (typeof options === 'string') {
    context.writeError(`lateen: ${options}\n`)
    return EXIT.usage
  }
  const all = findAll(await readInputs(command.args, context), options.namespace)
  const findings = all.filter(({ code }) => !options.ignore.includes(code))
  context.write(show(findings, options.output, context))
  return fails(findings, options.failOn) ? EXIT.problems : EXIT.fine
}

/** What the words mean, or what is wrong with them. */
function checkOptions(given: { namespace: string; output: string; failOn: string; ignore?: readonly string[] }): Options | string {
  const output = FORMATS.find((each) => each === given.output)
  if (output === undefined) return `--output is '${given.output}'; it must be one of ${FORMATS.join(', ')}`
  const failOn = FAIL_ON.find((each) => each === given.failOn)
  if (failOn === undefined) return `--fail-on is '${given.failOn}'; it must be one of ${FAIL_ON.join(', ')}`
  const ignore = (given.ignore ?? []).flatMap((codes) => codes.split(',')).map((code) => code.trim().toUpperCase())
  const unknown = ignore.find((code) => !isCode(code))
  if (unknown !== undefined) return `--ignore: ${noSuchCode(unknown)}`
  return { namespace: given.namespace, output, failOn, ignore }
}

function show(findings: readonly Finding[], format: Options['output'], context: CliContext): string {
  switch (format) {
    case 'json':
      return `${JSON.stringify({ schemaVersion: SCHEMA_VERSION, findings }, null, 2)}\n`
    case 'yaml':
      return stringify({ schemaVersion: SCHEMA_VERSION, findings })
    case 'table':
      return `${findingsTable(findings, context)}${summarise(findings)}\n`
    case 'text':
      return `${printFindings(findings, context)}${summarise(findings)}\n`
  }
}

/** Of what -o json and -o yaml print. Fields are added without a new version, never renamed or removed. */
const SCHEMA_VERSION = 1

/** Of reading first, then of compile, then of analysis, each at its place in the text. */
export function findAll(inputs: readonly InputText[], defaultNamespace: string): readonly Finding[] {
  const files = inputs.map(({ name, text }) => {
    const { objects, findings } = readYaml(text, name, { defaultNamespace, compileRegex, isForCluster: true })
    return { file: name, text, modifiedMs: 0, objects, findings, stale: false }
  })
  const { objects, findings } = mergeSources(files, new Map())
  const pods = templatePods(
    inputs.map(({ text }) => text),
    defaultNamespace,
  )
  const state = nextKubeState(emptyKubeState, [...objects, ...pods])
  const compiled = compiledFrom(state)
  // The settings that a MeshConfig among the files leaves in force.
  const compared = [...unsuppressed(compiled.findings, state.objects), ...analyzeMesh(state, compiled.snapshot.settings)]
  const later = compared.filter(({ object }) => object?.kind !== 'Pod')
  return [...findings, ...locateFindings(later, state, new Map(files.map((file) => [file.file, file])))]
}

function compiledFrom(state: KubeState): CompiledMesh {
  const workloads = instancesOf([...state.objects.LocalWorkload.values()], undefined)
  const services = [...state.objects.Service.values()].map(plannedService)
  const options = { strategy: 'loopback', mesh: 1, unavailablePorts: new Set<number>(), firstUnprivilegedPort: 1024 } as const
  const { plan } = planAddresses(workloads, services, NO_ASSIGNMENTS, options)
  const ready = new Set([...Object.keys(plan.workloads), ...state.objects.Pod.keys()])
  return compileMesh({ state, settings: DEFAULT_MESH_SETTINGS, addresses: plan, capture: 'bind', ready, compileRegex })
}
