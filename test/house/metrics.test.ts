// docs/proxy.md lists exactly the metrics of the proxy: one that nobody can look up does not exist, and none is promised that is not there.
// Names are read from the source, because most of them are registered only where there is a control plane, a CA or a second thread.
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'

const ROOT = path.resolve(import.meta.dirname, '../..')
/** Registers its names behind this prefix. */
const PREFIXED = { file: 'src/bin/proxy-metrics.ts', prefix: 'lateen_proxy_' }

function registered(): ReadonlySet<string> {
  const files = globSync(['src/proxy/**/*.ts', 'src/bin/**/*.ts'], { cwd: ROOT }).filter((file) => !/\.(test|fixture)\.ts$/.test(file))
  const names = files.flatMap((file) => {
    const source = readFileSync(path.join(ROOT, file), 'utf8')
    const whole = [...source.matchAll(/'((?:istio|lateen_proxy)_[a-z0-9_]+)',/g)].map(([, name = '']) => name)
    if (file !== PREFIXED.file) return whole
    return [...whole, ...[...source.matchAll(/one\('(?:gauge|counter)', '([a-z0-9_]+)'/g)].map(([, name = '']) => PREFIXED.prefix + name)]
  })
  return new Set(names)
}

test('docs/proxy.md lists exactly the metrics that the proxy registers', () => {
  const page = readFileSync(path.join(ROOT, 'docs/proxy.md'), 'utf8')
  const section = page.slice(page.indexOf('\n## Metrics'))
  const documented = new Set([...section.matchAll(/`((?:istio|lateen_proxy)_[a-z0-9_]+)`/g)].map(([, name = '']) => name))
  assert.ok(documented.size > 20)
  assert.deepEqual([...documented].sort(), [...registered()].sort())
})
