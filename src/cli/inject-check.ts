// `lateen inject check [POD|-f FILE]`: whether a pod is injected and why, in the webhook's own words, and whether it has a proxy now.
// Offline with -f (a Namespace in the file gives its labels), else against the cluster of KUBECONFIG.
import { parseAllDocuments } from 'yaml'
import { isRecord } from '../api/record.ts'
import { LateenError } from '../base/errors.ts'
import { formatProblems } from '../base/result.ts'
import { createKubeClient, type KubeClient } from '../kube/client.ts'
import type { KubeResult } from '../kube/failure.ts'
import { loadConnection } from '../kube/load-connection.ts'
import { resourceOf } from '../kube/resource.ts'
import { decideInjection, type InjectDecision } from '../webhook/decide.ts'
import { type InjectorConfig, readInjectorConfig } from '../webhook/injector-config.ts'
import { readPod, type Texts } from '../webhook/pod.ts'
import { STATUS_ANNOTATION } from '../webhook/pod-labels.ts'
import { podTemplatesOf } from '../webhook/pod-templates.ts'
import { type CliContext, EXIT } from './command.ts'
import { injectionMesh } from './injection-inputs.ts'
import { readInputs } from './input.ts'
import { describeCommand, parse } from './parse.ts'
import { table } from './table.ts'

const FORMATS = ['text', 'json']

interface Options {
  readonly filename?: readonly string[]
  readonly namespace?: string
  readonly injectorConfig?: string
  readonly revision?: string
  readonly systemNamespace: string
  readonly kubeconfig?: string
  readonly output: string
}

/** One pod, or one template. */
interface Row {
  readonly name: string
  readonly namespace: string
  readonly decision: InjectDecision
  /** Revision of the proxy that is in the pod; undefined: none. */
  readonly has: string | undefined
  /** A pod of the cluster: what it has can differ from what it would get. */
  readonly live: boolean
}

export async function inject(args: readonly string[], context: CliContext): Promise<number> {
  const [word, ...rest] = args
  if (word !== 'check' && word !== '--help' && word !== '-h') {
    context.writeError(`lateen: inject knows one thing: lateen inject check [POD|-f FILE] (to inject a file: lateen kube-inject -f FILE)\n`)
    return EXIT.usage
  }
  return injectCheck(word === 'check' ? rest : args, context)
}

async function injectCheck(args: readonly string[], context: CliContext): Promise<number> {
  const command = describeCommand('inject check', 'Why a pod gets a sidecar, or does not. Without POD: all pods of the namespace.')
    .argument('[pod]', 'name of a pod in the cluster')
    .option('-f, --filename <path...>', 'files instead of the cluster: Pods, workloads, and Namespaces for their labels')
    .option('-n, --namespace <name>', 'namespace of the pod, or of objects that name none')
    .option('--injector-config <file>', "the injector's configuration, instead of the cluster's ConfigMap")
    .option('--revision <name>', "the control plane's revision")
    .option('--system-namespace <name>', 'namespace of the control plane', 'lateen-system')
    .option('--kubeconfig <file>', 'instead of KUBECONFIG')
    .option('-o, --output <format>', FORMATS.join(', '), 'text')
  const ended = parse(command, args, context)
  if (ended !== undefined) return ended.exit
  const options: Options = command.opts()
  if (!FORMATS.includes(options.output)) {
    context.writeError(`lateen: --output is '${options.output}'; it must be one of ${FORMATS.join(', ')}\n`)
    return EXIT.usage
  }
  const rows =
    options.filename === undefined
      ? await askCluster(command.args[0], options, context)
      : await askFiles(options.filename, options, context)
  context.write(options.output === 'json' ? `${JSON.stringify({ schemaVersion: 1, pods: rows.map(asJson) }, null, 2)}\n` : show(rows))
  return EXIT.fine
}

async function askFiles(files: readonly string[], options: Options, context: CliContext): Promise<readonly Row[]> {
  const { config } = injectionMesh(options, context.cwd)
  const objects = (await readInputs(files, context)).flatMap(({ name, text }) => {
    const documents = parseAllDocuments(text, { merge: true })
    return (Array.isArray(documents) ? documents : []).flatMap((document) => {
      const [error] = document.errors
      if (error !== undefined) throw new LateenError('BAD_YAML', `${name}: ${error.message}`)
      const value: unknown = document.toJS()
      return isRecord(value) && value.kind === 'List' && Array.isArray(value.items) ? value.items : [value]
    })
  })
  const labels = new Map(objects.flatMap((each) => (isRecord(each) && each.kind === 'Namespace' ? [namespaceIn(each)] : [])))
  return objects.flatMap((object) =>
    podTemplatesOf(object).map((template) => {
      const namespace = template.namespace ?? options.namespace ?? 'default'
      return rowOf(template.title, template.value, namespace, labels.get(namespace), config, false)
    }),
  )
}

function namespaceIn(object: Readonly<Record<string, unknown>>): readonly [string, Texts] {
  const metadata = isRecord(object.metadata) ? object.metadata : {}
  return [String(metadata.name), textsOf(metadata.labels)]
}

async function askCluster(pod: string | undefined, options: Options, context: CliContext): Promise<readonly Row[]> {
  const connection = must(await loadConnection({ clock: context.clock, env: context.env, kubeconfig: options.kubeconfig }))
  const client = createKubeClient(connection, { clock: context.clock, userAgent: `lateen/${context.version}` })
  try {
    const namespace = options.namespace ?? connection.namespace
    const config = options.injectorConfig === undefined ? await clusterConfig(client, options) : injectionMesh(options, context.cwd).config
    const labels = textsOf(must(await client.get(resourceOf('Namespace'), { name: namespace })).metadata.labels)
    const pods =
      pod === undefined
        ? must(await client.list(resourceOf('Pod'), { namespace, limit: 500 })).items
        : [must(await client.get(resourceOf('Pod'), { namespace, name: pod }))]
    return pods.map((each) => rowOf(each.metadata.name, each, namespace, labels, config, true))
  } finally {
    client.close()
  }
}

async function clusterConfig(client: KubeClient, { revision = 'default', systemNamespace }: Options): Promise<InjectorConfig> {
  const name = `lateen-injector${revision === 'default' ? '' : `-${revision}`}`
  const found = await client.get(resourceOf('ConfigMap'), { namespace: systemNamespace, name })
  if (!found.ok) {
    const hint = 'is Lateen installed there? Say --system-namespace, --revision, or --injector-config FILE'
    throw new LateenError(
      'NO_INJECTOR',
      `the injector's configuration ${systemNamespace}/${name} cannot be read: ${found.failure.message}; ${hint}`,
    )
  }
  const text = isRecord(found.value.data) ? String(found.value.data.config ?? '') : ''
  const config = readInjectorConfig(text)
  if (!config.ok) throw new LateenError('BAD_INJECTOR', `ConfigMap ${systemNamespace}/${name}: ${formatProblems(config.problems)}`)
  return config.value
}

function must<T>(result: KubeResult<T>): T {
  if (!result.ok) throw new LateenError('KUBERNETES', result.failure.message)
  return result.value
}

function rowOf(
  name: string,
  value: unknown,
  namespace: string,
  namespaceLabels: Texts | undefined,
  rules: InjectorConfig,
  live: boolean,
): Row {
  const read = readPod(value)
  if (!read.ok) throw new LateenError('BAD_POD', `${name}: ${formatProblems(read.problems)}`)
  const decision = decideInjection({ pod: read.value, namespace, namespaceLabels, rules })
  const { annotations = {} } = read.value.metadata
  const has = annotations[STATUS_ANNOTATION] === undefined ? undefined : (annotations['istio.io/rev'] ?? 'unknown')
  return { name, namespace, decision, has, live }
}

function textsOf(value: unknown): Texts {
  return isRecord(value) ? Object.fromEntries(Object.entries(value).map(([key, each]) => [key, String(each)])) : {}
}

function show(rows: readonly Row[]): string {
  if (rows.length === 0) return 'There are no pods.\n'
  if (rows.length > 1) {
    const lines = rows.map((row) => [row.name, row.has ?? '-', row.decision.inject ? 'yes' : 'no', row.decision.reason])
    return table(['POD', 'PROXY', 'INJECTED', 'REASON'], lines)
  }
  return rows.map(sentences).join('')
}

function sentences({ name, namespace, decision, has, live }: Row): string {
  const verdict = decision.inject ? 'is injected' : 'is not injected'
  const lines = [
    `${namespace}/${name} ${verdict}: ${decision.sentence} (${decision.reason}).`,
    ...decision.warnings.map((text) => `Note: ${text}.`),
  ]
  if (live && has === undefined && decision.inject)
    lines.push(
      'It has no proxy: it was made before the label, or while the webhook did not answer. Make it anew: kubectl rollout restart its workload.',
    )
  if (live && has !== undefined && !decision.inject)
    lines.push(`It has a proxy of revision ${has} all the same: it was made when it was to be injected.`)
  if (live && has !== undefined && decision.inject) lines.push(`It has a proxy of revision ${has}.`)
  return `${lines.join('\n')}\n`
}

function asJson({ name, namespace, decision, has }: Row): object {
  return {
    name,
    namespace,
    inject: decision.inject,
    reason: decision.reason,
    because: decision.sentence,
    warnings: decision.warnings,
    proxyRevision: has ?? null,
  }
}
