// The table of options in docs/capture.md is the one that the program reads. UPDATE_GOLDEN=1 writes it.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { captureHelp, flagOf, OPTION_TABLE, type OptionRow, variablesOf } from '../../src/capture/option-table.ts'

const FILE = path.resolve(import.meta.dirname, '../../docs/capture.md')

test('docs/capture.md lists exactly the options of the program', () => {
  const text = readFileSync(FILE, 'utf8')
  const updated = text.replace(
    /(<!-- options:.*-->\n)[\s\S]*(<!-- end of options -->)/,
    (_all, start: string, end: string) => start + table() + end,
  )
  if (process.env.UPDATE_GOLDEN === '1') writeFileSync(FILE, updated)
  assert.equal(updated, readFileSync(FILE, 'utf8'))
})

test('--help names every option', () => {
  const help = captureHelp()
  for (const row of OPTION_TABLE) assert.ok(help.includes(flagOf(row)), row.name)
})

function table(): string {
  const rows = OPTION_TABLE.filter(({ name }) => name !== 'help').map(
    (row) =>
      `| ${row.onlyEnv === true ? '' : `\`${flagOf(row).replaceAll('|', '\\|')}\``} | ${variables(row)} | ${row.initial ?? ''} | ${meaning(row)} |`,
  )
  return ['| option | variable | default | meaning |', '|---|---|---|---|', ...rows, ''].join('\n')
}

function variables(row: OptionRow): string {
  return variablesOf(row)
    .map((name) => `\`${name}\``)
    .join(', ')
}

function meaning({ help, notInForce }: OptionRow): string {
  return notInForce === undefined ? help : `${help}. Not in force: ${notInForce}`
}
