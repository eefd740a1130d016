// Holds src to the table in layers.ts: directions, packages, gates, and no import cycles.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { GATES, LAYERS, PACKAGES } from './layers.ts'

const SRC = path.resolve(import.meta.dirname, '../../src')

interface SourceFile {
  /** Relative to src, with forward slashes. */
  readonly name: string
  readonly text: string
  /** Relative names for files, bare names for packages. */
  readonly imports: readonly string[]
}

const files: readonly SourceFile[] = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => {
    const text = readFileSync(path.join(SRC, name), 'utf8')
    return { name: name.replaceAll(path.sep, '/'), text, imports: importsOf(name, text) }
  })

const isTest = (file: SourceFile): boolean => /\.(?:test|contract|fixture)\.ts$/.test(file.name)

function importsOf(name: string, text: string): string[] {
  const found = text.matchAll(
    /(?:^|[;\n])\s*(?:import|export)\b[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]|(?:^|[;\n])\s*import\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/g,
  )
  return [...found]
    .map((match) => match[1] ?? match[2] ?? match[3] ?? '')
    .map((specifier) => (specifier.startsWith('.') ? path.posix.join(path.posix.dirname(name), specifier) : specifier))
}

const isFile = (specifier: string): boolean => specifier.endsWith('.ts') || specifier.endsWith('.json')
const folderOf = (name: string): string => name.split('/')[0] ?? ''

test('every folder imports only what its level allows', () => {
  const wrong: string[] = []
  for (const file of files) {
    const own = folderOf(file.name)
    const allowed = LAYERS[own]
    assert.ok(allowed, `src/${own} is not in the table of test/house/layers.ts: give it a level`)
    if (allowed.includes('*')) continue
    for (const target of file.imports.filter(isFile)) {
      if (folderOf(target) === own || target.startsWith('..')) continue
      if (!allowed.some((place) => target === place || target.startsWith(`${place}/`))) {
        wrong.push(`src/${file.name} imports src/${target}; ${own} may import ${allowed.length === 0 ? 'nothing' : allowed.join(', ')}`)
      }
    }
  }
  assert.deepEqual(wrong, [])
})

test('no file of src reaches outside src', () => {
  const wrong = files.flatMap((file) =>
    file.imports.filter((target) => target.startsWith('..') && !isTest(file)).map((target) => `src/${file.name} imports ${target}`),
  )
  assert.deepEqual(wrong, [])
})

test('every package is used only where it belongs', () => {
  const wrong: string[] = []
  for (const file of files.filter((each) => !isTest(each))) {
    for (const target of file.imports) {
      if (isFile(target) || target.startsWith('node:') || target.startsWith('.')) continue
      const name = target.startsWith('@') ? target.split('/').slice(0, 2).join('/') : (target.split('/')[0] ?? '')
      const places = PACKAGES[name]
      if (places === undefined) wrong.push(`src/${file.name} imports ${name}, which no place may use (test/house/layers.ts)`)
      else if (!places.some((place) => file.name.startsWith(place)))
        wrong.push(`src/${file.name} imports ${name}, which belongs to ${places.join(', ')}`)
    }
  }
  assert.deepEqual(wrong, [])
})

test('time, chance and the process are touched only where the table says', () => {
  const wrong: string[] = []
  for (const file of files.filter((each) => !isTest(each))) {
    const code = file.text.replace(/^\s*(?:\/\/|\*|\/\*).*$/gm, '')
    for (const gate of GATES) {
      const match = gate.what.exec(code)
      if (match !== null && !gate.allowed.some((place) => file.name.startsWith(place)))
        wrong.push(`src/${file.name} uses ${match[0]}: ${gate.why}`)
    }
  }
  assert.deepEqual(wrong, [])
})

test('what decides knows nothing of Node', () => {
  const wrong = files
    .filter((file) => file.name.startsWith('proxy/decide/') && !isTest(file))
    .flatMap((file) => file.imports.filter((target) => target.startsWith('node:')).map((target) => `src/${file.name} imports ${target}`))
  assert.deepEqual(wrong, [])
})

test('no import cycles', () => {
  const graph = new Map(files.map((file) => [file.name, valueImports(file)]))
  const done = new Set<string>()
  const cycles: string[] = []
  const visit = (name: string, trail: readonly string[]): void => {
    const at = trail.indexOf(name)
    if (at >= 0) {
      cycles.push([...trail.slice(at), name].join(' -> '))
      return
    }
    if (done.has(name)) return
    for (const next of graph.get(name) ?? []) visit(next, [...trail, name])
    done.add(name)
  }
  for (const name of graph.keys()) visit(name, [])
  assert.deepEqual(cycles, [])
})

/** A type-only import cannot make a cycle at run time. */
function valueImports(file: SourceFile): string[] {
  const text = file.text.replace(/(?:^|\n)\s*(?:import|export) type\b[^;'"]*['"][^'"]+['"]/g, '\n')
  return importsOf(file.name, text).filter(isFile)
}

test('every folder has a README that says where to start reading', () => {
  const missing = Object.keys(LAYERS)
    .filter((folder) => folder !== 'bin' && files.some((file) => file.name.startsWith(`${folder}/`)))
    .filter((folder) => {
      try {
        return !/start reading at/i.test(readFileSync(path.join(SRC, folder, 'README.md'), 'utf8'))
      } catch {
        return true
      }
    })
  assert.deepEqual(missing, [])
})
