// What a user wrote, against what a proxy receives. `npm run golden` (UPDATE_GOLDEN=1) rewrites the outputs; a run without it compares.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { stringify } from 'yaml'
import { toEnvoyJson } from './envoy-json.ts'
import { CASES, caseNames, readCase, runCase } from './golden-case.ts'

const UPDATE = process.env.UPDATE_GOLDEN === '1'

for (const name of caseNames()) {
  test(`golden: ${name}`, () => {
    const { resources, findings } = runCase(readCase(name))
    const documents: Record<string, unknown> = { ...toEnvoyJson(resources), findings }
    const folder = path.join(CASES, `${name}.out`)
    if (UPDATE) rmSync(folder, { recursive: true, force: true })
    for (const [file, content] of Object.entries(documents)) {
      // Short lines, and no aliases: a golden is read by people.
      const text = stringify(content, { lineWidth: 0, aliasDuplicateObjects: false })
      const target = path.join(folder, `${file}.yaml`)
      if (UPDATE) {
        mkdirSync(folder, { recursive: true })
        writeFileSync(target, text)
      } else {
        assert.ok(existsSync(target), `${target} is missing: run 'npm run golden'`)
        assert.equal(text, readFileSync(target, 'utf8'), `${name}.out/${file}.yaml differs: run 'npm run golden' and review the difference`)
      }
    }
  })
}

test('every output belongs to a case', () => {
  const known = new Set(caseNames().flatMap((name) => [`${name}.in.yaml`, `${name}.out`]))
  const orphans = readdirSync(CASES).filter((entry) => !known.has(entry))
  if (UPDATE) for (const orphan of orphans) rmSync(path.join(CASES, orphan), { recursive: true })
  else assert.deepEqual(orphans, [], "outputs without a case: run 'npm run golden'")
})
