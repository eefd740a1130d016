// `lateen kube-inject -f FILE`: what the webhook would do, to a file. For clusters without the webhook, and to see what it does.
// Invariant: the same functions as the webhook's, so the same result; everything else in the file stays as it was written.
import { type Document, parseAllDocuments } from 'yaml'
import { LateenError } from '../base/errors.ts'
import { formatProblems } from '../base/result.ts'
import { decideInjection } from '../webhook/decide.ts'
import { injectPod } from '../webhook/inject.ts'
import { jsonPatch } from '../webhook/json-patch.ts'
import type { InjectionMesh } from '../webhook/mesh-config.ts'
import { readPod } from '../webhook/pod.ts'
import { type PodTemplate, podTemplatesOf } from '../webhook/pod-templates.ts'
import { type CliContext, EXIT } from './command.ts'
import { patchDocument } from './edit-yaml.ts'
import { type InjectionFiles, injectionMesh } from './injection-inputs.ts'
import { readInputs } from './input.ts'
import { describeCommand, parse } from './parse.ts'

export async function kubeInject(args: readonly string[], context: CliContext): Promise<number> {
  const command = describeCommand(
    'kube-inject',
    'Add the sidecar to workloads in files, as the webhook does; the result goes to standard output.',
  )
    .requiredOption('-f, --filename <path...>', 'files, directories, or - for standard input')
    .option('-n, --namespace <name>', 'namespace of objects that name none', 'default')
    .option('--injector-config <file>', "the injector's configuration (ConfigMap lateen-injector, key config)")
    .option('--mesh-config <file>', "the mesh's configuration (ConfigMap lateen, key mesh)")
    .option('--revision <name>', "the control plane's revision")
  const ended = parse(command, args, context)
  if (ended !== undefined) return ended.exit
  const options: InjectionFiles & { readonly filename: readonly string[]; readonly namespace: string } = command.opts()
  const mesh = injectionMesh(options, context.cwd)
  const made: string[] = []
  let refused = false
  for (const { name, text } of await readInputs(options.filename, context)) {
    const injected = injectText(text, name, { mesh, namespace: options.namespace, version: context.version })
    for (const note of injected.notes) context.writeError(`lateen: ${name}: ${note}\n`)
    refused ||= injected.refused
    made.push(injected.text)
  }
  if (refused) return EXIT.problems
  context.write(made.map((text) => (text.endsWith('\n') ? text : `${text}\n`)).join('---\n'))
  return EXIT.fine
}

export interface InjectTextOptions {
  readonly mesh: InjectionMesh
  readonly namespace: string
  readonly version: string
}

export interface InjectedText {
  readonly text: string
  /** Warnings, what was not injected and why, what is wrong. */
  readonly notes: readonly string[]
  readonly refused: boolean
}

export function injectText(text: string, file: string, options: InjectTextOptions): InjectedText {
  const documents = parseAllDocuments(text, { merge: true })
  const notes: string[] = []
  let refused = false
  let output = ''
  let from = 0
  for (const document of Array.isArray(documents) ? documents : []) {
    const [error] = document.errors
    if (error !== undefined) throw new LateenError('BAD_YAML', `${file}: ${error.message}`)
    let changed = false
    for (const template of podTemplatesOf(document.toJS())) {
      const result = injectTemplate(document, template, options)
      notes.push(...result.notes.map((note) => `${template.title}: ${note}`))
      refused ||= result.refused
      changed ||= result.changed
    }
    output += changed ? document.toString({ lineWidth: 0, indentSeq: indentsLists(text) }) : text.slice(from, document.range[2])
    from = document.range[2]
  }
  return { text: output, notes, refused }
}

interface TemplateResult {
  readonly notes: readonly string[]
  readonly refused: boolean
  readonly changed: boolean
}

function injectTemplate(document: Document, template: PodTemplate, { mesh, namespace, version }: InjectTextOptions): TemplateResult {
  const read = readPod(template.value)
  if (!read.ok) return { notes: [formatProblems(read.problems)], refused: true, changed: false }
  const pod = read.value
  const where = template.namespace ?? namespace
  const decided = decideInjection({ pod, namespace: where, namespaceLabels: undefined, rules: mesh.config })
  if (!decided.inject) return { notes: [`not injected: ${decided.sentence}`, ...decided.warnings], refused: false, changed: false }
  const made = injectPod({
    ...{ pod, namespace: where, ...mesh, version },
    // Every release of Kubernetes that is still maintained has them; `nativeSidecar: "false"` in the configuration says otherwise.
    nativeSidecars: true,
    ...(template.workload === undefined ? {} : { workload: template.workload }),
  })
  if (!made.ok) return { notes: [formatProblems(made.problems)], refused: true, changed: false }
  const patch = jsonPatch(pod, made.value.pod)
  patchDocument(document, template.path, patch)
  return {
    notes: [...decided.warnings, ...made.value.warnings].map((text) => `warning: ${text}`),
    refused: false,
    changed: patch.length > 0,
  }
}

/** Whether the author indents lists under their key. */
function indentsLists(text: string): boolean {
  return !/^( *)[^\s#-][^\n]*:[ \t]*\n\1- /m.test(text)
}
