// The table of values in docs/kubernetes.md, from the schema: the text between the two markers.
import type { Schema } from './schema-words.ts'

const BEGIN = '<!-- values: written by npm run gen -->'
const END = '<!-- end of values -->'

export function withValuesTable(text: string, schema: Schema): string {
  const begin = text.indexOf(BEGIN)
  const end = text.indexOf(END)
  if (begin < 0 || end < begin) throw new Error(`docs/kubernetes.md must have the lines '${BEGIN}' and '${END}'`)
  const rows = Object.entries(schema.properties ?? {}).flatMap(([name, each]) => rowsOf(name, each))
  return `${text.slice(0, begin)}${BEGIN}\n\n| value | type | meaning |\n| --- | --- | --- |\n${rows.join('')}\n${text.slice(end)}`
}

function rowsOf(name: string, schema: Schema): readonly string[] {
  const inner = schema.properties ?? (typeof schema.additionalProperties === 'object' ? schema.additionalProperties.properties : undefined)
  const prefix = schema.properties === undefined && inner !== undefined ? `${name}.<name>` : name
  if (inner === undefined) return [`| \`${name}\` | ${typeOf(schema)} | ${(schema.description ?? '').replaceAll('|', '\\|')} |\n`]
  return Object.entries(inner).flatMap(([key, each]) => rowsOf(`${prefix}.${key}`, each))
}

function typeOf(schema: Schema): string {
  if (schema.enum !== undefined) return schema.enum.join(', ')
  if (schema.type === 'array') return 'list'
  return [schema.type ?? 'any'].flat().join(' or ')
}
