// `lateen uninstall`: shows who still uses the mesh and what goes, and removes it when --yes was said. The chart's hook takes the webhooks
// away first. Resources of the mesh (VirtualServices, ...) stay, and so do their CRDs.
import { isRecord } from '../api/record.ts'
import type { KubeClient } from '../kube/client.ts'
import type { KubeObject } from '../kube/object.ts'
import { resourceOf } from '../kube/resource.ts'
import { connect } from './check-connect.ts'
import { type CliContext, EXIT } from './command.ts'
import { exitOf } from './install.ts'
import { addReleaseOptions, clusterArgs, type ReleaseOptions, releaseName, runHelm } from './install-helm.ts'
import { describeCommand, parse } from './parse.ts'

interface UninstallOptions extends ReleaseOptions {
  readonly yes?: true
  readonly dryRun?: true
  readonly timeout: string
}

export async function uninstall(args: readonly string[], context: CliContext): Promise<number> {
  const command = addReleaseOptions(describeCommand('uninstall', 'Remove the mesh from the cluster (needs helm).'))
    .option('--timeout <duration>', 'how long to wait', '5m')
    .option('--dry-run', 'show what would go')
    .option('--yes', 'do it')
  const ended = parse(command, args, context)
  if (ended !== undefined) return ended.exit
  const options: UninstallOptions = command.opts()
  const name = releaseName(options)
  const cluster = clusterArgs(options)
  const status = await runHelm(['get', 'manifest', name, ...cluster], context, false)
  if (status.code !== 0) {
    const missing = status.err.includes('not found')
    context.writeError(missing ? `lateen: there is no release ${name} in namespace ${options.namespace}\n` : status.err)
    return missing ? EXIT.usage : exitOf(status)
  }
  const connected = await connect(options, context)
  if (!connected.ok) {
    context.writeError(`lateen: ${connected.message}\n`)
    return EXIT.unreachable
  }
  context.writeError(await describePlan(connected.client, options, context.signal))
  connected.client.close()
  if (options.dryRun) return EXIT.fine
  if (options.yes !== true) {
    context.writeError('lateen: nothing was removed; if that is meant, say --yes\n')
    return EXIT.usage
  }
  return exitOf(await runHelm(['uninstall', name, ...cluster, '--wait', '--timeout', options.timeout], context, true))
}

async function describePlan(client: KubeClient, options: UninstallOptions, signal: AbortSignal): Promise<string> {
  const pods = await client.list(resourceOf('Pod'), { signal })
  const who = pods.ok ? whoKeepsSidecars(pods.value.items, options.revision) : `  who uses it is not known: ${pods.failure.message}\n`
  return `uninstalling release ${releaseName(options)} from namespace ${options.namespace}:\n${who}  webhooks go first, then control plane and gateways, then what the control plane made;\n  CRDs and the resources of the mesh stay\n`
}

function whoKeepsSidecars(pods: readonly KubeObject[], revision: string): string {
  const meshed = pods.filter((pod) => injectedBy(pod.metadata.annotations) === revision)
  if (meshed.length === 0) return '  no pod has a sidecar of it\n'
  const namespaces = [...new Set(meshed.map(({ metadata }) => metadata.namespace ?? ''))].sort()
  return (
    `  ${meshed.length} pods in ${namespaces.join(', ')} keep their sidecars, which go on with their last configuration until their\n` +
    '  certificates expire; restart them afterwards, without the label, to take the sidecars out\n'
  )
}

/** The revision that injected a pod, from the injector's own annotation. */
function injectedBy(annotations: Readonly<Record<string, string>> | undefined): string | undefined {
  const text = annotations?.['sidecar.istio.io/status']
  if (text === undefined) return undefined
  try {
    const status: unknown = JSON.parse(text)
    return isRecord(status) && typeof status.revision === 'string' ? status.revision : 'default'
  } catch {
    return undefined
  }
}
