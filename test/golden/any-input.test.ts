// Whatever a user writes, a stock Envoy takes what we make of it: one object must never cost a proxy its whole configuration.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { AnyApiObject } from '../../src/api/kinds.ts'
import { allObjects, nextKubeState } from '../../src/operator/ingest/kube-state.ts'
import { requireEnvoy, validateWithEnvoy } from '../harness/envoy.ts'
import { toEnvoyJson } from './envoy-json.ts'
import { readCase, runCase } from './golden-case.ts'
import { staticBootstrap } from './static-bootstrap.ts'

const host = fc.constantFrom(
  'reviews',
  'REVIEWS',
  'reviews.default',
  'reviews.default.svc.cluster.local',
  'productpage',
  '*',
  '*.com',
  '*-x.com',
  '*x.com',
  'a*b',
  '',
  'a|b',
  'a b',
  'a.com:80',
  '10.0.0.1',
  '::1',
  'x.com.',
)
const text = fc.oneof(fc.string({ maxLength: 5 }), fc.constantFrom('', '/', '.*', '*', '(', 'a'))
const stringMatch = fc.record({ exact: text, prefix: text, regex: text }, { requiredKeys: [] })
const match = fc.record(
  {
    name: text,
    uri: stringMatch,
    headers: fc.dictionary(text, stringMatch, { maxKeys: 2 }),
    withoutHeaders: fc.dictionary(text, stringMatch, { maxKeys: 2 }),
    queryParams: fc.dictionary(text, stringMatch, { maxKeys: 2 }),
    method: stringMatch,
    port: fc.constantFrom(80, 9080, -1),
    ignoreUriCase: fc.boolean(),
  },
  { requiredKeys: [] },
)
const destination = fc.record({ host, subset: text, port: fc.record({ number: fc.integer() }) }, { requiredKeys: ['host'] })
const entry = fc.record(
  {
    name: text,
    match: fc.array(match, { maxLength: 3 }),
    route: fc.array(fc.record({ destination, weight: fc.maxSafeNat() }, { requiredKeys: ['destination'] }), { maxLength: 3 }),
  },
  { requiredKeys: [] },
)
const spec = fc.record({ hosts: fc.array(host, { maxLength: 3 }), http: fc.array(entry, { maxLength: 3 }) })

for (const name of ['bookinfo-all-v1', 'redirected-sidecar']) {
  test(`a stock Envoy takes whatever is written into VirtualServices (${name})`, async (t) => {
    const binary = requireEnvoy(t)
    if (binary === undefined) return
    const golden = readCase(name)

    await fc.assert(
      fc.asyncProperty(fc.array(spec, { minLength: 10, maxLength: 20 }), async (specs) => {
        const objects = [...allObjects(golden.input.state), ...specs.map(virtualService)]
        const state = nextKubeState(golden.input.state, objects)
        const { resources } = runCase({ ...golden, input: { ...golden.input, state } })
        assert.equal(await validateWithEnvoy(binary, staticBootstrap(toEnvoyJson(resources))), undefined)
      }),
      { numRuns: 15, seed: 20, endOnFailure: true },
    )
  })
}

function virtualService(spec: object, index: number): AnyApiObject {
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name: `any-${index}`, namespace: 'default', labels: {}, annotations: {} },
    spec,
  }
}
