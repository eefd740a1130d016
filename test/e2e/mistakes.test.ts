// What is wrong with a resource is said when it is applied, as far as it can be seen in the object alone; and all of it stands in its status
// until it is mended.
import assert from 'node:assert/strict'
import { apply, awaitCondition, type Condition, kubectl } from './harness/kubectl.ts'
import { story } from './harness/story.ts'
import { deploy } from './harness/workloads.ts'

function virtualService(name: string, ...http: readonly object[]): object {
  return { apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata: { name }, spec: { hosts: ['server'], http } }
}

const to = (subset: string): object => ({ destination: { host: 'server', subset, port: { number: 8080 } } })

const SUBSETS = {
  apiVersion: 'networking.istio.io/v1',
  kind: 'DestinationRule',
  metadata: { name: 'server' },
  spec: { host: 'server', subsets: [{ name: 'v1', labels: { version: 'v1' } }] },
}

const is =
  (type: string, status: string) =>
  (condition: Condition): boolean =>
    condition.type === type && condition.status === status

/** What `kubectl get vs` says of it, by the name of the column. */
async function columns(name: string, namespace: string, ...args: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const [head = '', row = ''] = (await kubectl('get', 'vs', name, '-n', namespace, ...args)).split('\n')
  const titles = [...head.matchAll(/\S+(?: \S+)*\s*/g)]
  return new Map(titles.map(({ 0: title, index }) => [title.trim(), row.slice(index, index + title.length).trim()]))
}

story('mistakes', 'a route to a subset that does not exist is conditioned, and mended by a change', async ({ namespace }) => {
  await deploy(namespace, { name: 'server' })
  await apply([SUBSETS], namespace)
  await apply([virtualService('server', { route: [to('v9')] })], namespace)
  const bad = await awaitCondition('virtualservice', 'server', namespace, is('Accepted', 'False'), 'not accepted')
  assert.match(bad.message ?? '', /^LTN0202 spec\.http\[0\]\.route\[0\]\.destination\.subset: .*v9.*there are: v1/)
  assert.equal((await columns('server', namespace)).get('ACCEPTED'), 'False')

  await apply([virtualService('server', { route: [to('v1')] })], namespace)
  const good = await awaitCondition('virtualservice', 'server', namespace, is('Accepted', 'True'), 'accepted')
  assert.equal(good.observedGeneration, 2)
  await awaitCondition('virtualservice', 'server', namespace, is('Programmed', 'True'), 'programmed')
  const mended = await columns('server', namespace, '-o', 'wide')
  assert.deepEqual([mended.get('ACCEPTED'), mended.get('PROGRAMMED')], ['True', 'True'])
  assert.match(mended.get('PROXIES') ?? '', /^\d+ of \d+ proxies$/)
})

story('warnings', 'what an object shows by itself is warned about by kubectl apply, and stays in its status', async ({ namespace }) => {
  await deploy(namespace, { name: 'server' })
  await apply([SUBSETS], namespace)
  const everything = { name: 'everything', route: [to('v1')] }
  const { stderr } = await apply([virtualService('shadowed', everything, { name: 'never', route: [to('v1')] })], namespace)
  assert.match(stderr, /^Warning: .*LTN0144: spec\.http\[1\]: .*never reached/m)
  const accepted = await awaitCondition('virtualservice', 'shadowed', namespace, is('Accepted', 'True'), 'accepted')
  assert.equal(accepted.reason, 'ValidWithWarnings')
  assert.match(accepted.message ?? '', /LTN0144/)
})

story('refusals', 'what can never be in force is refused, by the schema or with a code and a place', async ({ namespace }) => {
  await assert.rejects(apply([virtualService('bent', { retries: { attempts: -1 }, route: [to('v1')] })], namespace), /attempts/)
  const pattern = { match: [{ uri: { regex: '((' } }], route: [to('v1')] }
  await assert.rejects(
    apply([virtualService('pattern', pattern)], namespace),
    /LTN0134: spec\.http\[0\]\.match\[0\]\.uri\.regex: .*missing closing \)/,
  )
})
