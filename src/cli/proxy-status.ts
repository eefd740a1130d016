// `lateen proxy-status`: which sidecar runs which configuration, on this machine or in a cluster. The answer is what the sidecars acknowledged, not what was sent.
import { askProxies, type ProxyStatus } from '../standalone/mesh-api.ts'
import { type CliContext, EXIT } from './command.ts'
import { addMeshOptions, findAnyMesh, type MeshOptions } from './find-any-mesh.ts'
import { describeCommand, parse } from './parse.ts'
import { age, table } from './table.ts'

const TYPES = ['CDS', 'LDS', 'EDS', 'RDS', 'VHDS'] as const

export async function proxyStatus(args: readonly string[], context: CliContext): Promise<number> {
  const command = addMeshOptions(
    describeCommand('proxy-status', 'Show which sidecars are connected and whether they run the newest configuration.'),
  )
    .option('-n, --namespace <name>', 'only proxies of this namespace')
    .option('-o, --output <format>', 'table or json', 'table')
  const ended = parse(command, args, context)
  if (ended !== undefined) return ended.exit
  const options: MeshOptions & { output: string; namespace?: string } = command.opts()
  const mesh = await findAnyMesh(options, context)
  const all = await askProxies(mesh.client)
  const proxies = all.filter(({ namespace }) => options.namespace === undefined || namespace === options.namespace)
  const refused = proxies.flatMap(refusals)
  if (options.output === 'json') context.write(`${JSON.stringify({ proxies }, null, 2)}\n`)
  else if (proxies.length === 0) context.write('no sidecar is connected\n')
  else
    context.write(
      table(
        ['PROXY', ...TYPES, 'IDENTITY', 'CONNECTED', ...(mesh.isCluster ? ['CONTROL PLANE'] : [])],
        proxies.map((proxy) => [...row(proxy, context.clock.nowMs()), ...(mesh.isCluster ? [proxy.controlPlane ?? ''] : [])]),
      ),
    )
  for (const line of refused) context.writeError(`lateen: ${line}\n`)
  return refused.length > 0 ? EXIT.problems : EXIT.fine
}

function row({ workload, namespace, types, identity, connectedSinceMs }: ProxyStatus, nowMs: number): readonly string[] {
  return [`${workload}.${namespace}`, ...TYPES.map((type) => types[type]?.state ?? 'NOT ASKED'), identity, age(nowMs - connectedSinceMs)]
}

function refusals({ workload, namespace, types }: ProxyStatus): readonly string[] {
  return Object.entries(types).flatMap(([type, { rejection }]) =>
    rejection === undefined
      ? []
      : [`${workload}.${namespace} refused ${type} (${rejection.resources.join(', ')}) and runs what it had before: ${rejection.message}`],
  )
}
