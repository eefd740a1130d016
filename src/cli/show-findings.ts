// `lateen findings`: what the control plane of a running mesh has to say of its objects, the gravest first. The same contract as `analyze`,
// which says it of files.
import { stringify } from 'yaml'
import { askFindings } from '../standalone/mesh-api.ts'
import { type CliContext, EXIT } from './command.ts'
import { addMeshOptions, findAnyMesh, type MeshOptions } from './find-any-mesh.ts'
import { FAIL_ON, fails, findingsTable, printFindings, summarise } from './findings.ts'
import { describeCommand, parse } from './parse.ts'

const FORMATS = ['text', 'table', 'json', 'yaml'] as const
const SCHEMA_VERSION = 1

export async function showFindings(args: readonly string[], context: CliContext): Promise<number> {
  const command = addMeshOptions(
    describeCommand('findings', 'What is wrong with the objects of the running mesh. Exit code 2 when there are problems.'),
  )
    .option('-n, --namespace <name>', 'only of objects of this namespace')
    .option('-o, --output <format>', FORMATS.join(', '), 'text')
    .option('--fail-on <severity>', FAIL_ON.join(', '), 'error')
  const ended = parse(command, args, context)
  if (ended !== undefined) return ended.exit
  const options: MeshOptions & { output: string; failOn: string; namespace?: string } = command.opts()
  const format = FORMATS.find((each) => each === options.output)
  const failOn = FAIL_ON.find((each) => each === options.failOn)
  if (format === undefined || failOn === undefined) {
    const [option, given, known] = format === undefined ? ['--output', options.output, FORMATS] : ['--fail-on', options.failOn, FAIL_ON]
    context.writeError(`lateen: ${option} is '${given}'; it must be one of ${known.join(', ')}\n`)
    return EXIT.usage
  }
  const mesh = await findAnyMesh(options, context)
  const shown = await askFindings(mesh.client)
  const findings = shown.findings.filter(({ object }) => options.namespace === undefined || object?.namespace === options.namespace)
  if (format === 'json') context.write(`${JSON.stringify({ schemaVersion: SCHEMA_VERSION, findings, total: shown.total }, null, 2)}\n`)
  else if (format === 'yaml') context.write(stringify({ schemaVersion: SCHEMA_VERSION, findings, total: shown.total }))
  else context.write(`${format === 'table' ? findingsTable(findings, context) : printFindings(findings, context)}${summarise(findings)}\n`)
  if (shown.total > shown.findings.length) context.writeError(`lateen: these are the gravest ${shown.findings.length} of ${shown.total}\n`)
  return fails(findings, failOn) ? EXIT.problems : EXIT.fine
}
