// What is wrong with a resource is said when it is applied, and stands in its status until it is mended.
import assert from 'node:assert/strict'
import { apply, awaitCondition } from './harness/kubectl.ts'
import { story } from './harness/story.ts'
import { deploy } from './harness/workloads.ts'

function route(subset: string): object {
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name: 'server' },
    spec: { hosts: ['server'], http: [{ route: [{ destination: { host: 'server', subset } }] }] },
  }
}

const SUBSETS = {
  apiVersion: 'networking.istio.io/v1',
  kind: 'DestinationRule',
  metadata: { name: 'server' },
  spec: { host: 'server', subsets: [{ name: 'v1', labels: { version: 'v1' } }] },
}

story(
  'mistakes',
  'a route to a subset that does not exist is warned about and conditioned, and mended by a change',
  async ({ namespace }) => {
    await deploy(namespace, { name: 'server' })
    await apply([SUBSETS], namespace)
    const { stderr } = await apply([route('v9')], namespace)
    assert.match(stderr, /LTN\d{4}/, `kubectl printed a warning with the code: ${stderr}`)
    const bad = await awaitCondition(
      'virtualservice',
      'server',
      namespace,
      ({ type, status }) => type === 'Accepted' && status === 'False',
      'not accepted',
    )
    assert.match(bad.message ?? '', /v9/)
    await apply([route('v1')], namespace)
    const good = await awaitCondition(
      'virtualservice',
      'server',
      namespace,
      ({ type, status }) => type === 'Accepted' && status === 'True',
      'accepted',
    )
    assert.equal(good.observedGeneration, 2)
    await awaitCondition(
      'virtualservice',
      'server',
      namespace,
      ({ type, status }) => type === 'Programmed' && status === 'True',
      'programmed',
    )
  },
)

story('malformed', 'what the schema forbids is refused by the API server itself', async ({ namespace }) => {
  const bent = {
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name: 'bent' },
    spec: { hosts: ['a'], http: [{ retries: { attempts: -1 } }] },
  }
  await assert.rejects(apply([bent], namespace), /attempts/)
})
