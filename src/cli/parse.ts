// Commander without its habits: it neither exits the process nor writes to its streams. Every command describes itself with it.
import { Command, CommanderError } from 'commander'
import { type CliContext, EXIT } from './command.ts'

export function describeCommand(name: string, summary: string): Command {
  return new Command(`lateen ${name}`).description(summary).allowExcessArguments(false).showHelpAfterError(`(try: npx lateen help ${name})`)
}

/** The parsed command, or the exit code with which to end: help was asked for, or something is wrong (and has been said). */
export function parse(command: Command, args: readonly string[], context: CliContext): { readonly exit: number } | undefined {
  command.exitOverride().configureOutput({
    writeOut: context.write,
    writeErr: (text) => context.writeError(text.replace(/^error: /, 'lateen: ')),
  })
  try {
    command.parse([...args], { from: 'user' })
    return undefined
  } catch (error) {
    if (error instanceof CommanderError) return { exit: error.exitCode === 0 ? EXIT.fine : EXIT.usage }
    throw error
  }
}
