// `lateen get [KIND [NAME]]`: the objects in force, as a table, JSON or YAML that `lateen apply -f -` takes back.
import { stringify } from 'yaml'
import { apiVersionsOf, findKind, kindInfo, kinds } from '../api/kinds.ts'
import type { ApiObject } from '../api/object-meta.ts'
import { askObjects } from '../standalone/mesh-api.ts'
import { type CliContext, EXIT } from './command.ts'
import { addMeshOptions, findAnyMesh, type MeshOptions } from './find-any-mesh.ts'
import { describeCommand, parse } from './parse.ts'
import { shortPath } from './short-path.ts'
import { table } from './table.ts'

const FORMATS = ['table', 'json', 'yaml', 'name'] as const
/** What nobody wrote: shown to who asks for it. */
const OF_THE_CLUSTER: readonly string[] = ['Pod', 'Node', 'EndpointSlice']
type Format = (typeof FORMATS)[number]

export async function get(args: readonly string[], context: CliContext): Promise<number> {
  const command = addMeshOptions(describeCommand('get', 'Show the objects of the running mesh, as the control plane has them.'))
    .argument('[kind]', 'kind, for example virtualservice or vs; without it: all')
    .argument('[name]', 'name of one object')
    .option('-o, --output <format>', FORMATS.join(', '), 'table')
    .option('-n, --namespace <name>', 'only this namespace')
  const ended = parse(command, args, context)
  if (ended !== undefined) return ended.exit
  const options: MeshOptions & { output: string; namespace?: string } = command.opts()
  const format = FORMATS.find((each) => each === options.output)
  if (format === undefined) {
    context.writeError(`lateen: --output is '${options.output}'; it must be one of ${FORMATS.join(', ')}\n`)
    return EXIT.usage
  }
  const [word, name] = command.args
  const kind = word === undefined ? undefined : findKind(word)
  if (kind !== undefined && kind.info === undefined) {
    const hint =
      kind.suggestion === undefined ? `there are ${kinds.map((each) => each.kind).join(', ')}` : `did you mean '${kind.suggestion}'?`
    context.writeError(`lateen: there is no kind '${word}'; ${hint}\n`)
    return EXIT.usage
  }
  const mesh = await findAnyMesh(options, context)
  const found = await askObjects(mesh.client, { kind: kind?.info?.kind, namespace: options.namespace, name })
  const objects = word === undefined ? found.filter((object) => !OF_THE_CLUSTER.includes(object.kind)) : found
  if (name !== undefined && objects.length === 0) {
    context.writeError(`lateen: there is no ${kind?.info?.kind} '${name}'; all of them: npx lateen get ${word}\n`)
    return EXIT.problems
  }
  context.write(print(objects, format, context.cwd, mesh.isCluster ? '-' : 'lateen apply'))
  if (objects.length === 0) context.writeError('lateen: no objects found\n')
  return EXIT.fine
}

function print(objects: readonly ApiObject[], format: Format, cwd: string, fromElsewhere: string): string {
  switch (format) {
    case 'json':
      return `${JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects.map(clean) }, null, 2)}\n`
    case 'yaml':
      return objects.map((object) => stringify(clean(object))).join('---\n')
    case 'name':
      return objects.map(({ kind, metadata }) => `${kindInfo(kind)?.plural ?? kind}/${metadata.name}\n`).join('')
    case 'table':
      return objects.length === 0
        ? ''
        : table(
            ['NAMESPACE', 'KIND', 'NAME', 'SAYS', 'FROM'],
            objects.map((object) => row(object, cwd, fromElsewhere)),
          )
  }
}

/** What a person would write: no source, no empty labels; the version in which it is stored. */
function clean({ kind, spec, metadata, ...object }: ApiObject): object {
  const { labels, annotations, namespace, name, ...rest } = metadata
  const info = kindInfo(kind)
  const apiVersion =
    info === undefined ? object.apiVersion : (apiVersionsOf(info).find((each) => each === object.apiVersion) ?? object.apiVersion)
  const kept = {
    name,
    ...(namespace === '' ? {} : { namespace }),
    ...(Object.keys(labels).length === 0 ? {} : { labels }),
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
    ...rest,
  }
  return { apiVersion, kind, metadata: kept, spec }
}

function row(object: ApiObject, cwd: string, fromElsewhere: string): readonly string[] {
  const { namespace, name } = object.metadata
  const from = object.source === undefined ? fromElsewhere : `${shortPath(object.source.file, cwd)}:${object.source.line}`
  return [namespace === '' ? '-' : namespace, object.kind, name, saying(object), from]
}

/** The one thing that a person wants to see of a kind. */
function saying({ kind, spec }: ApiObject): string {
  const field = (name: string): unknown =>
    typeof spec === 'object' && spec !== null ? Object.entries(spec).find(([key]) => key === name)?.[1] : undefined
  const list = (value: unknown): string =>
    Array.isArray(value) ? value.map((each) => (typeof each === 'string' ? each : '')).join(' ') : ''
  switch (kind) {
    case 'VirtualService':
      return list(field('hosts'))
    case 'DestinationRule':
      return String(field('host') ?? '')
    case 'LocalWorkload':
      return list(field('command'))
    case 'PeerAuthentication': {
      const mtls = field('mtls')
      return typeof mtls === 'object' && mtls !== null && 'mode' in mtls ? String(mtls.mode) : ''
    }
    default:
      return ''
  }
}
