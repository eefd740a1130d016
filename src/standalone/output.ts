// Lines of many processes on one terminal: each with its workload's name in front, in a colour of its own. Used by the supervisor.
// A line is written whole: half lines of two processes never mix.
import type { Readable } from 'node:stream'

export interface Output {
  /** What the mesh itself has to say. */
  say(line: string): void
  /** Copies the lines of a process until its stream ends. */
  follow(label: string, stream: Readable): void
}

/** Readable on dark and on light: no yellow, no white. */
const COLOURS = [36, 35, 32, 34, 33, 31, 96, 95, 92, 94] as const
/** A program that writes megabytes without a newline must not fill our memory. */
const MAX_LINE = 64 * 1024

export function createOutput(write: (text: string) => void, colour: boolean): Output {
  const colours = new Map<string, number>()
  let width = 12
  const prefix = (label: string): string => {
    width = Math.max(width, label.length)
    if (!colours.has(label)) colours.set(label, COLOURS[colours.size % COLOURS.length] ?? 36)
    const text = `${label.padEnd(width)} | `
    return colour ? `\u001b[${colours.get(label)}m${text}\u001b[0m` : text
  }
  return {
    say: (line) => write(`${colour ? '\u001b[1m' : ''}${'lateen'.padEnd(width)}${colour ? '\u001b[0m' : ''} | ${line}\n`),
    follow(label, stream) {
      let rest = ''
      stream.setEncoding('utf8')
      stream.on('data', (chunk: string) => {
        const lines = (rest + chunk).split('\n')
        rest = lines.pop() ?? ''
        if (rest.length > MAX_LINE) {
          lines.push(rest)
          rest = ''
        }
        for (const line of lines) write(`${prefix(label)}${line}\n`)
      })
      stream.on('end', () => {
        if (rest !== '') write(`${prefix(label)}${rest}\n`)
        rest = ''
      })
      stream.on('error', () => undefined)
    },
  }
}
