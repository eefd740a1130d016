// What `-f` means for every command: a file, a directory (all YAML and JSON below it), or `-` for standard input.
import { readdirSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { LateenError } from '../base/errors.ts'
import type { CliContext } from './command.ts'

export interface InputText {
  /** As the person wrote it, for messages. */
  readonly name: string
  readonly text: string
}

export async function readInputs(given: readonly string[], context: CliContext): Promise<readonly InputText[]> {
  const inputs: InputText[] = []
  for (const each of given) {
    if (each === '-') inputs.push({ name: 'stdin', text: await context.readInput() })
    else inputs.push(...readPath(each, context.cwd))
  }
  return inputs
}

function readPath(given: string, cwd: string): readonly InputText[] {
  const absolute = path.resolve(cwd, given)
  const found = statSync(absolute, { throwIfNoEntry: false })
  if (found === undefined) throw new LateenError('NO_SUCH_FILE', `There is no file or directory ${given} (looked in ${cwd}).`)
  if (!found.isDirectory()) return [{ name: given, text: readFileSync(absolute, 'utf8') }]
  const names = readdirSync(absolute, { recursive: true, encoding: 'utf8' })
    .filter(
      (name) => /\.(?:ya?ml|json)$/.test(name) && !name.split(path.sep).some((part) => part.startsWith('.') || part === 'node_modules'),
    )
    .sort()
  if (names.length === 0) throw new LateenError('NO_YAML', `${given} has no .yaml, .yml or .json file.`)
  return names.map((name) => ({ name: path.join(given, name), text: readFileSync(path.join(absolute, name), 'utf8') }))
}
