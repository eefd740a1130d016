// Reads a bootstrap from a file, or from text that somebody has. JSON is parsed here; YAML is turned into JSON by a child process that ends at once, so that
// the proxy, which lives for weeks, never loads a YAML parser. Every problem names the file.
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { errorCode, errorMessage } from '../base/errors.ts'
import { fail, type Problem, type Result, succeed } from '../base/result.ts'
import { readBootstrap } from './bootstrap.ts'
import type { Codec, DecodeOptions } from './codec/codec.ts'
import type { Bootstrap } from './generated/messages.gen.ts'

/** A bootstrap is kilobytes; whoever writes 64 MB of it has given the wrong file. */
const MAX_JSON_BYTES = 64 * 1024 * 1024
const CHILD_TIMEOUT_MS = 20_000

export interface BootstrapFileOptions extends DecodeOptions {
  readonly codec: Codec
  /** Path of yaml-to-json.ts, or of its bundle in dist. */
  readonly yamlToJsonProgram: string
  /** The node to run it with; this process's own by default. */
  readonly nodePath?: string
}

export async function readBootstrapFile(file: string, options: BootstrapFileOptions): Promise<Result<Bootstrap>> {
  const text = await readText(file)
  return text.ok ? readBootstrapText(file, text.value, options) : text
}

/** @param file what problems name: the file, or the variable that the text is from. */
export async function readBootstrapText(file: string, text: string, options: BootstrapFileOptions): Promise<Result<Bootstrap>> {
  const json = isJson(file, text) ? parseJson(file, text) : await yamlToJson(file, text, options)
  if (!json.ok) return json
  const { onUnsupported } = options
  const result = readBootstrap(options.codec, json.value, {
    onUnsupported: onUnsupported === undefined ? undefined : (path, message) => onUnsupported(inFile(file, path), message),
  })
  return result.ok ? result : { ok: false, problems: result.problems.map(({ path, message }) => ({ path: inFile(file, path), message })) }
}

async function readText(file: string): Promise<Result<string>> {
  try {
    return succeed(await readFile(file, 'utf8'))
  } catch (error) {
    const reason = errorCode(error) === 'ENOENT' ? 'there is no such file; check the path given to -c' : errorMessage(error)
    return fail(file, `cannot read the bootstrap: ${reason}`)
  }
}

function isJson(file: string, text: string): boolean {
  return file.endsWith('.json') || (!/\.ya?ml$/.test(file) && text.trimStart().startsWith('{'))
}

function parseJson(file: string, text: string): Result<unknown> {
  try {
    return succeed(JSON.parse(text))
  } catch (error) {
    return fail(file, `not valid JSON: ${errorMessage(error)}`)
  }
}

/** What yaml-to-json.ts answers. */
type ChildAnswer = { readonly value: unknown } | { readonly problems: readonly Problem[] }

function yamlToJson(file: string, text: string, options: BootstrapFileOptions): Promise<Result<unknown>> {
  return new Promise((resolve) => {
    const command = options.nodePath ?? process.execPath
    const limits = { maxBuffer: MAX_JSON_BYTES, timeout: CHILD_TIMEOUT_MS, killSignal: 'SIGKILL' } as const
    const child = execFile(command, [options.yamlToJsonProgram], limits, (error, stdout, stderr) => {
      if (error !== null)
        resolve(fail(file, `cannot convert YAML to JSON: ${stderr.trim() || errorMessage(error)}; write the bootstrap as JSON instead`))
      else resolve(readAnswer(file, stdout))
    })
    // A child that died early closes its input; the exit above says why.
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(text)
  })
}

function readAnswer(file: string, stdout: string): Result<unknown> {
  // Written by yaml-to-json.ts, which is part of this program.
  const answer = JSON.parse(stdout) as ChildAnswer
  if ('value' in answer) return succeed(answer.value)
  return { ok: false, problems: answer.problems.map(({ path, message }) => ({ path: inFile(file, path), message })) }
}

function inFile(file: string, path: string): string {
  return path === '' ? file : `${file}: ${path}`
}
