// The pod's labels as the downward API writes them into a file: one `key="value"` per line, the value quoted as Go's strconv.Quote does.
// Read at the start: a bootstrap made at injection cannot know a label that was added to the pod later (pod-template-hash).
import { readFileSync } from 'node:fs'
import path from 'node:path'

/** Empty where there is no such file: labels are what metrics show, no reason not to carry traffic. */
export function readPodLabels(folder: string): Readonly<Record<string, string>> {
  try {
    return parsePodInfo(readFileSync(path.join(folder, 'labels'), 'utf8'))
  } catch {
    return {}
  }
}

export function parsePodInfo(text: string): Readonly<Record<string, string>> {
  const entries = text.split('\n').flatMap((line) => {
    const [, key, quoted] = /^([^=]+)="(.*)"$/.exec(line) ?? []
    return key === undefined || quoted === undefined ? [] : [[key, unquote(quoted)] as const]
  })
  return Object.fromEntries(entries)
}

const ESCAPED: Readonly<Record<string, string>> = { a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' }

function unquote(text: string): string {
  return text.replaceAll(/\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8})|(.))/g, (_, byte, short, long, other: string) => {
    const code: string | undefined = byte ?? short ?? long
    return code === undefined ? (ESCAPED[other] ?? other) : String.fromCodePoint(Math.min(Number.parseInt(code, 16), 0x10ffff))
  })
}
