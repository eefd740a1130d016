// Texts that were configuration before somebody's elbow: reading answers each, says where, and loses no neighbour.
import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import { catalogue } from '../../src/api/catalogue.ts'
import { readYaml } from '../../src/api/read-yaml.ts'
import { compileRegex } from '../../src/base/regex.ts'
import { readCorpus } from '../corpus/corpus.ts'
import { fuzz, mutated, type Noise } from './fuzz.ts'

const options = { defaultNamespace: 'default', compileRegex }
const corpus = ['good', 'bad'].flatMap((folder) => readCorpus(fileURLToPath(new URL(`../corpus/${folder}`, import.meta.url))))
const NEIGHBOUR = '---\napiVersion: v1\nkind: Namespace\nmetadata: {name: neighbour}\n'
const SPLINTERS = [
  '{',
  '[',
  '&a ',
  '*a',
  '<<: ',
  '!!binary ',
  '|\n',
  '>-\n',
  '? ',
  ': ',
  '- ',
  '"',
  "'",
  '#',
  '\t',
  '\r\n',
  '\u0000',
  '\ufeff',
  '{{',
  '%',
]

function broken(text: string, noise: Noise): string {
  const kind = noise.below(4)
  if (kind === 0) return mutated(Buffer.from(text), noise).toString('utf8')
  const lines = text.split('\n')
  const at = noise.below(lines.length)
  if (kind === 1) lines.splice(at, 1 + noise.below(3))
  else if (kind === 2) lines.splice(at, 0, `${' '.repeat(noise.below(9))}${lines[noise.below(lines.length)]?.trimStart()}`)
  else {
    const line = lines[at] ?? ''
    const column = noise.below(line.length + 1)
    lines[at] = line.slice(0, column) + noise.pick(SPLINTERS) + line.slice(column)
  }
  return lines.join('\n')
}

fuzz('whatever a text says, reading answers, at places that the text has', 1500, (noise) => {
  const text = broken(noise.pick(corpus).text, noise)
  const { findings, objects, broken: isBroken } = readYaml(text, 'f.yaml', options)
  const lines = text.split('\n')
  for (const { code, position, message, hint } of findings) {
    assert.ok(Object.hasOwn(catalogue, code))
    assert.doesNotMatch(`${message} ${hint}`, /\bundefined\b|\[object Object\]/)
    assert.ok(position !== undefined && position.line >= 1 && position.line <= lines.length, `${code} at line ${position?.line}`)
    assert.ok(
      position.column >= 1 && position.column <= (lines[position.line - 1] ?? '').length + 1,
      `${code} at column ${position.column}`,
    )
  }
  assert.ok(!isBroken || findings.length > 0, 'what is refused is said')
  assert.deepEqual(readYaml(text, 'f.yaml', options).objects, objects)
})

fuzz('a broken document does not take the next one along', 500, (noise) => {
  const text = broken(noise.pick(corpus).text, noise)
  // A directive or an end mark may swallow the line that separates the two.
  if (/^(?:%|\.\.\.)/m.test(text)) return
  const { objects } = readYaml(`${text}\n${NEIGHBOUR}`, 'f.yaml', options)
  assert.ok(objects.some(({ metadata }) => metadata.name === 'neighbour'))
})
