// `lateen run DIR`: a mesh on this machine until Ctrl-C.
import path from 'node:path'
import { runMesh } from '../standalone/run-mesh.ts'
import { type CliContext, EXIT } from './command.ts'
import { describeCommand, parse } from './parse.ts'

export async function run(args: readonly string[], context: CliContext): Promise<number> {
  const command = describeCommand(
    'run',
    'Run the mesh of a directory on this machine: control plane, sidecars, applications. Ctrl-C stops all of it.',
  )
    .argument('<dir>', 'directory with Services, LocalWorkloads and the kinds of the mesh')
    .option(
      '--addresses <strategy>',
      "'loopback': an address per workload (Linux); 'ports': a port per workload on 127.0.0.1",
      defaultStrategy(),
    )
    .option(
      '--state <folder>',
      'where keys, ports and the control socket are kept (default: one per directory under ~/.local/state/lateen)',
    )
    .option('--ingress-port <port>', 'publish on this port of 127.0.0.1 instead of the one in the files')
  const ended = parse(command, args, context)
  if (ended !== undefined) return ended.exit
  const options: { addresses: string; state?: string; ingressPort?: string } = command.opts()
  const strategy = options.addresses
  if (strategy !== 'loopback' && strategy !== 'ports') {
    context.writeError(`lateen: --addresses is '${strategy}'; it must be loopback or ports\n`)
    return EXIT.usage
  }
  const ingressPort = options.ingressPort === undefined ? undefined : Number(options.ingressPort)
  if (ingressPort !== undefined && !(Number.isInteger(ingressPort) && ingressPort > 0 && ingressPort < 65_536)) {
    context.writeError(`lateen: --ingress-port is '${options.ingressPort}'; it must be a number from 1 to 65535\n`)
    return EXIT.usage
  }
  const { program, node, sidecarNodeOptions, version, env, write, colour, clock, random, signal } = context
  const dir = path.resolve(context.cwd, command.args[0] ?? '.')
  await runMesh({
    dir,
    state: options.state,
    strategy,
    ingressPort,
    program,
    node,
    sidecarNodeOptions,
    version,
    env,
    write,
    colour,
    clock,
    random,
    signal,
  })
  return EXIT.fine
}

/** macOS answers on 127.0.0.1 only, unless root adds aliases. */
function defaultStrategy(): string {
  return process.platform === 'linux' ? 'loopback' : 'ports'
}
