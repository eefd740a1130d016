// Every dependency is exact, has its line in docs/dependencies.md, and is used.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'

const ROOT = path.resolve(import.meta.dirname, '../..')
const manifest: Record<string, Record<string, string>> = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8'))
const declared = { ...manifest.dependencies, ...manifest.devDependencies, ...manifest.optionalDependencies }
const page = readFileSync(path.join(ROOT, 'docs/dependencies.md'), 'utf8')
const documented = new Set([...page.matchAll(/`([@a-z0-9/.-]+)`/g)].map((match) => match[1]))

test('every dependency has an exact version', () => {
  const loose = Object.entries(declared).filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))
  assert.deepEqual(loose, [])
})

test('every dependency has a line that says why, and no line is left of one that went', () => {
  assert.deepEqual(
    Object.keys(declared).filter((name) => !documented.has(name)),
    [],
  )
  const rows = [...page.matchAll(/^\| (`.*?) \|/gm)].flatMap((match) =>
    [...(match[1] ?? '').matchAll(/`([^`]+)`/g)].map((name) => name[1] ?? ''),
  )
  assert.deepEqual(
    rows.filter((name) => !(name in declared)),
    [],
  )
})
