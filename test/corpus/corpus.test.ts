import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { readYaml } from '../../src/api/read-yaml.ts'
import { compileRegex } from '../../src/base/regex.ts'
import { type CorpusCase, NOT_IN_FORCE, readCorpus } from './corpus.ts'

const options = { defaultNamespace: 'default', compileRegex }

function verdictOf(found: CorpusCase): readonly string[] {
  const { findings } = readYaml(found.text, found.file, options)
  return findings
    .filter(({ code }) => !NOT_IN_FORCE.includes(code))
    .map(({ code, path }) => `${code} ${path}`.trim())
    .sort()
}

for (const kind of ['good', 'bad'] as const) {
  for (const found of readCorpus(fileURLToPath(new URL(kind, import.meta.url)))) {
    test(`${kind}/${found.file}:${found.line}: ${found.expected.join(', ') || 'accepted'}`, () => {
      assert.deepEqual(verdictOf(found), found.expected)
      const { broken, objects } = readYaml(found.text, found.file, options)
      assert.equal(broken, kind === 'bad')
      if (kind === 'good') assert.ok(objects.length > 0)
      else assert.ok(found.expected.length > 0, 'a bad document says what is wrong with it')
    })
  }
}
