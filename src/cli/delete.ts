// `lateen delete KIND NAME` and `lateen delete -f FILE`: takes back what was applied. What a file of the directory defines is removed there.
import { findKind } from '../api/kinds.ts'
import { formatRef, type ObjectRef, refOf } from '../api/object-meta.ts'
import { readYaml } from '../api/read-yaml.ts'
import { deleteRefs } from '../standalone/mesh-api.ts'
import { type CliContext, EXIT } from './command.ts'
import { findMesh, STATE_OPTION } from './find-mesh.ts'
import { printFindings } from './findings.ts'
import { readInputs } from './input.ts'
import { describeCommand, parse } from './parse.ts'

interface DeleteOptions {
  readonly filename?: string[]
  readonly namespace: string
  readonly state?: string
}

export async function deleteObjects(args: readonly string[], context: CliContext): Promise<number> {
  const command = describeCommand('delete', 'Remove objects that were applied to the running mesh.')
    .argument('[kind]', 'kind, for example virtualservice or vs')
    .argument('[name...]', 'names of objects of that kind')
    .option('-f, --filename <file...>', 'remove the objects that these files describe')
    .option('-n, --namespace <name>', 'namespace of the objects', 'default')
    .option(...STATE_OPTION)
  const ended = parse(command, args, context)
  if (ended !== undefined) return ended.exit
  const options: DeleteOptions = command.opts()
  const refs = await wantedRefs(command.args, options, context)
  if (refs === undefined) return EXIT.usage
  const mesh = await findMesh(options.state, context)
  const results = await deleteRefs(mesh.client, refs)
  for (const { object, deleted, reason, inForceAgain } of results) {
    const again = inForceAgain === undefined ? '' : `; the definition at ${inForceAgain} is in force again`
    if (deleted) context.write(`${formatRef(object)} deleted${again}\n`)
    else context.writeError(`lateen: not deleted: ${reason ?? formatRef(object)}\n`)
  }
  const failed = results.filter(({ deleted }) => !deleted).length
  if (failed === 0) return EXIT.fine
  return failed === results.length ? EXIT.problems : EXIT.partly
}

/** Undefined when the command line does not say; that has been said then. */
async function wantedRefs(
  words: readonly string[],
  options: DeleteOptions,
  context: CliContext,
): Promise<readonly ObjectRef[] | undefined> {
  if (options.filename !== undefined) {
    const inputs = await readInputs(options.filename, context)
    const read = inputs.map(({ name, text }) => readYaml(text, name, { defaultNamespace: options.namespace }))
    const objects = read.flatMap((each) => each.objects)
    if (objects.length > 0) return objects.map(refOf)
    context.writeError(
      printFindings(
        read.flatMap(({ findings }) => findings),
        context,
      ),
    )
    context.writeError(`lateen: ${options.filename.join(', ')} describes no object\n`)
    return undefined
  }
  const [word, ...names] = words
  if (word === undefined || names.length === 0) {
    context.writeError('lateen: say what to delete: npx lateen delete KIND NAME, or npx lateen delete -f FILE\n')
    return undefined
  }
  const { info, suggestion } = findKind(word)
  if (info === undefined) {
    context.writeError(`lateen: there is no kind '${word}'${suggestion === undefined ? '' : `; did you mean '${suggestion}'?`}\n`)
    return undefined
  }
  return names.map((name) => ({ kind: info.kind, namespace: info.namespaced ? options.namespace : '', name }))
}
