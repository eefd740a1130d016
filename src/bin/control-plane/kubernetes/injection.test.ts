import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readYaml } from '../../../api/read-yaml.ts'
import type { IngestState } from '../../../operator/ingest/config-source.ts'
import { emptyKubeState, nextKubeState } from '../../../operator/ingest/kube-state.ts'
import { defaultInjectorConfig } from '../../../webhook/injector-config.ts'
import { injectionMesh } from './injection.ts'

function ingest(spec: string): IngestState {
  const text = `{apiVersion: lateen.dev/v1alpha1, kind: MeshConfig, metadata: {name: mesh}, spec: ${spec}}`
  const { objects, findings } = readYaml(text, 'mesh.yaml', { defaultNamespace: 'default' })
  return { state: nextKubeState(emptyKubeState, objects), findings }
}

test('what is injected follows the MeshConfig in force, and the trust domain that certificates are issued for', () => {
  const own = { ...defaultInjectorConfig(), trustDomain: 'cluster.local', mergeMetrics: true }
  const plain = injectionMesh(own, { state: emptyKubeState, findings: [] }, 'mesh.example')
  assert.deepEqual([plain.config.trustDomain, plain.config.mergeMetrics, plain.meshDefaults], ['mesh.example', true, {}])
  assert.equal(plain.config.image, own.image)

  const { config, meshDefaults } = injectionMesh(
    own,
    ingest('{enablePrometheusMerge: false, trustDomain: changed.since.the.start, defaultConfig: {concurrency: 3}}'),
    'mesh.example',
  )
  assert.deepEqual([config.trustDomain, config.mergeMetrics, meshDefaults], ['mesh.example', false, { concurrency: 3 }])
})
