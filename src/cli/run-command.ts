// Finds the command that a word names, loads it alone, and turns what it throws into a sentence and an exit code. Called by bin/lateen.ts.
import { errorMessage, LateenError } from '../base/errors.ts'
import { suggest } from '../base/suggest.ts'
import { type CliContext, EXIT, type RunCommand } from './command.ts'

interface CommandEntry {
  readonly name: string
  readonly summary: string
  readonly load: () => Promise<RunCommand>
}

/** In the order in which a newcomer meets them. */
const COMMANDS: readonly CommandEntry[] = [
  { name: 'run', summary: 'Run the mesh of a directory on this machine', load: async () => (await import('./run.ts')).run },
  { name: 'apply', summary: 'Change the running mesh: apply -f FILE', load: async () => (await import('./apply.ts')).apply },
  { name: 'get', summary: 'Show objects of the running mesh', load: async () => (await import('./get.ts')).get },
  {
    name: 'delete',
    summary: 'Remove objects: delete KIND NAME, or -f FILE',
    load: async () => (await import('./delete.ts')).deleteObjects,
  },
  {
    name: 'proxy-status',
    summary: 'Which sidecars have which configuration',
    load: async () => (await import('./proxy-status.ts')).proxyStatus,
  },
  {
    name: 'findings',
    summary: "What is wrong with the running mesh's objects",
    load: async () => (await import('./show-findings.ts')).showFindings,
  },
  { name: 'analyze', summary: 'Check files without a mesh: analyze FILE|DIR|-', load: async () => (await import('./analyze.ts')).analyze },
  { name: 'install', summary: 'Install the mesh into a Kubernetes cluster', load: async () => (await import('./install.ts')).install },
  { name: 'upgrade', summary: 'Upgrade it, or change its values', load: async () => (await import('./upgrade.ts')).upgrade },
  { name: 'uninstall', summary: 'Remove it from the cluster', load: async () => (await import('./uninstall.ts')).uninstall },
  {
    name: 'check',
    summary: 'Is the mesh in the cluster as it should be; --pre: before',
    load: async () => (await import('./check.ts')).check,
  },
  {
    name: 'kube-inject',
    summary: 'Add the sidecar to workloads in files: kube-inject -f FILE',
    load: async () => (await import('./kube-inject.ts')).kubeInject,
  },
  {
    name: 'inject',
    summary: 'Why a pod gets a sidecar or not: inject check [POD|-f FILE]',
    load: async () => (await import('./inject-check.ts')).inject,
  },
  { name: 'explain', summary: 'What a code means: explain code LTN0101', load: async () => (await import('./explain.ts')).explain },
  {
    name: 'version',
    summary: 'Show the versions of this program and of the running mesh',
    load: async () => (await import('./version.ts')).version,
  },
]

const PROGRAMS = [
  ['control-plane', 'The control plane of a mesh'],
  ['proxy', 'The sidecar: proxy -c BOOTSTRAP'],
  ['iptables', "Redirects a pod's connections to its sidecar"],
] as const

export async function runCommand(word: string, args: readonly string[], context: CliContext): Promise<number> {
  if (word === 'help' && args[0] !== undefined) return runCommand(args[0], ['--help'], context)
  if (['help', '--help', '-h'].includes(word)) {
    context.write(helpText())
    return EXIT.fine
  }
  const entry = COMMANDS.find(({ name }) => name === (['--version', '-V'].includes(word) ? 'version' : word))
  if (entry === undefined) {
    const close = suggest(
      word,
      COMMANDS.map(({ name }) => name),
    )
    const question = close === undefined ? '.' : `; did you mean '${close}'?`
    context.writeError(`lateen: there is no command '${word}'${question} All commands: npx lateen help\n`)
    return EXIT.usage
  }
  try {
    return await (await entry.load())(args, context)
  } catch (error) {
    return explainFailure(error, context)
  }
}

function explainFailure(error: unknown, context: CliContext): number {
  context.writeError(`lateen: ${errorMessage(error)}\n`)
  if (context.env.LATEEN_DEBUG !== undefined && error instanceof Error) context.writeError(`${error.stack}\n`)
  return error instanceof LateenError && error.code === 'MESH_NOT_RUNNING' ? EXIT.unreachable : EXIT.usage
}

function helpText(): string {
  const lines = (rows: readonly (readonly [string, string])[]): string =>
    rows.map(([name, summary]) => `  ${name.padEnd(15)}${summary}\n`).join('')
  return (
    `lateen: a service mesh that explains its decisions\n\n` +
    `Usage: lateen COMMAND [OPTIONS]\n\nCommands:\n${lines(COMMANDS.map(({ name, summary }) => [name, summary] as const))}` +
    `\nPrograms of the mesh:\n${lines(PROGRAMS)}` +
    `\nTry it:         npx lateen run samples/bookinfo/mesh\n` +
    `More on a word: npx lateen help COMMAND\n`
  )
}
