import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parsePath } from '../../src/api/field-path.ts'
import { formatRef } from '../../src/api/object-meta.ts'
import { readYaml } from '../../src/api/read-yaml.ts'
import { compileRegex } from '../../src/base/regex.ts'
import { DEFAULT_MESH_SETTINGS } from '../../src/model/mesh-settings.ts'
import { analyzeMesh } from '../../src/operator/analyze/analyze-mesh.ts'
import { emptyKubeState, nextKubeState } from '../../src/operator/ingest/kube-state.ts'
import { locateFindings } from '../../src/operator/ingest/locate.ts'
import { readMeshCorpus } from './corpus.ts'

for (const { file, title, text, expected } of readMeshCorpus(fileURLToPath(new URL('mesh', import.meta.url)))) {
  test(`mesh/${file}: ${title}`, () => {
    const { objects, findings: reading } = readYaml(text, file, { defaultNamespace: 'default', compileRegex })
    assert.deepEqual(
      reading.filter(({ severity, code }) => severity === 'error' && code !== 'LTN0104'),
      [],
      'each object by itself is fine',
    )
    const state = nextKubeState(emptyKubeState, objects)
    const findings = locateFindings(analyzeMesh(state, DEFAULT_MESH_SETTINGS), state, new Map([[file, { file, text, stale: false }]]))

    assert.deepEqual(
      findings.map(({ code, object, path }) => `${code} ${object === undefined ? '' : formatRef(object)} ${path}`.trim()).sort(),
      expected,
    )
    for (const { path, position } of findings) {
      const field = parsePath(path).findLast((step) => typeof step === 'string')
      const line = text.split('\n')[(position?.line ?? 0) - 1] ?? ''
      const above = text.split('\n').slice(0, position?.line).join('\n')
      assert.ok(field === undefined || above.includes(String(field)), `${path} is placed at '${line}'`)
    }
  })
}
