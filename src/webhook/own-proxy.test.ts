import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withOwnFields } from './own-proxy.ts'
import type { Container } from './pod.ts'

const OURS: Container = { name: 'lateen-proxy', image: 'lateen/lateen:1', imagePullPolicy: 'IfNotPresent' }

function pulled(own: Partial<Container>): readonly unknown[] {
  const { image, imagePullPolicy } = withOwnFields(OURS, ['lateen-proxy'], {
    metadata: { name: 'edge' },
    spec: { containers: [{ name: 'lateen-proxy', ...own }] },
  })
  return [image, imagePullPolicy]
}

test('an image that is left to the injector is pulled as the injector says, whatever Kubernetes gave an image without a tag', () => {
  assert.deepEqual(pulled({ image: 'auto', imagePullPolicy: 'Always' }), ['lateen/lateen:1', 'IfNotPresent'])
  assert.deepEqual(pulled({ imagePullPolicy: 'Always' }), ['lateen/lateen:1', 'IfNotPresent'])
  assert.deepEqual(pulled({ image: 'auto', imagePullPolicy: 'Never' }), ['lateen/lateen:1', 'Never'], 'nobody but a person writes that')
  assert.deepEqual(pulled({ image: 'mine:2', imagePullPolicy: 'Always' }), ['mine:2', 'Always'])
})
