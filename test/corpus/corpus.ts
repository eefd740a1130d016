// Reads the corpus: documents with the verdict that is expected of them, in a comment at their head:
// `# expect: LTN0110 spec.http[0].rout` per Finding, or none for silence. 'Not in force yet' is left out on both sides.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface CorpusCase {
  readonly file: string
  readonly line: number
  readonly text: string
  /** `code path`, sorted. */
  readonly expected: readonly string[]
}

/** What depends on the version, not on the object. */
export const NOT_IN_FORCE = ['LTN0102', 'LTN0103', 'LTN0104', 'LTN0121']

export function readCorpus(folder: string): readonly CorpusCase[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.yaml'))
    .sort()
    .flatMap((name) => splitCases(name, readFileSync(join(folder, name), 'utf8')))
}

function splitCases(file: string, text: string): readonly CorpusCase[] {
  let line = 1
  return text.split(/^---\n/m).map((chunk) => {
    const expected = [...chunk.matchAll(/^# expect: (\S+) ?(.*)$/gm)].map(([, code, path]) => `${code} ${path}`.trim())
    const made = { file, line, text: chunk, expected: expected.sort() }
    line += chunk.split('\n').length
    return made
  })
}

export interface MeshCase {
  readonly file: string
  readonly title: string
  readonly text: string
  /** `code Kind namespace/name path`, sorted. */
  readonly expected: readonly string[]
}

/** Whole meshes of a few objects, each after a line `# case: what it shows`. */
export function readMeshCorpus(folder: string): readonly MeshCase[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.yaml'))
    .sort()
    .flatMap((file) =>
      readFileSync(join(folder, file), 'utf8')
        .split(/^(?=# case: )/m)
        .map((text) => ({
          file,
          title: /^# case: (.*)$/m.exec(text)?.[1] ?? '',
          text,
          expected: [...text.matchAll(/^# expect: (.*)$/gm)].map(([, line = '']) => line.trim()).sort(),
        })),
    )
}
