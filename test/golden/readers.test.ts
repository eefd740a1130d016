// Those who must read what we generate: a stock Envoy, and our own proxy.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compileRegex, compileRegexRewrite, compileStrictRegex } from '../../src/base/regex.ts'
import type { MessageName } from '../../src/envoy/any.ts'
import type { MessageTypes } from '../../src/envoy/generated/messages.gen.ts'
import { proxyCodec } from '../../src/envoy/proxy-codec.ts'
import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE } from '../../src/envoy/type-urls.ts'
import { Assembler, type ReceivedByName } from '../../src/proxy/config/assemble.ts'
import type { EnvoyResources } from '../../src/xds/generate/resources.ts'
import { requireEnvoy, validateWithEnvoy } from '../harness/envoy.ts'
import { toEnvoyJson } from './envoy-json.ts'
import { caseNames, readCase, runCase } from './golden-case.ts'
import { staticBootstrap } from './static-bootstrap.ts'

const REGEX = { compile: compileRegex, compileStrict: compileStrictRegex, rewriter: compileRegexRewrite }

for (const name of caseNames()) {
  test(`a stock Envoy takes ${name}`, async (t) => {
    const binary = requireEnvoy(t)
    if (binary === undefined) return

    const objection = await validateWithEnvoy(binary, staticBootstrap(toEnvoyJson(runCase(readCase(name)).resources)))

    assert.equal(objection, undefined)
  })

  const golden = readCase(name)
  // Our own proxy is not sent what it does not do.
  if (golden.proxy.isStock) continue

  test(`our proxy takes ${name}`, () => {
    const { resources } = runCase(golden)

    const { rejected, waiting, warnings, config } = new Assembler({ regex: REGEX, allowUnsupported: false }).assemble({
      listeners: received(resources, LISTENER_TYPE, 'envoy.config.listener.v3.Listener'),
      clusters: received(resources, CLUSTER_TYPE, 'envoy.config.cluster.v3.Cluster'),
      routes: received(resources, ROUTE_TYPE, 'envoy.config.route.v3.RouteConfiguration'),
      endpoints: received(resources, ENDPOINT_TYPE, 'envoy.config.endpoint.v3.ClusterLoadAssignment'),
    })

    // Services that speak HTTP/2 are called with HTTP/1.1, and the proxy says so.
    const others = warnings.filter(({ path }) => !path.endsWith('http2_protocol_options'))
    assert.deepEqual({ rejected, waiting, warnings: others }, { rejected: [], waiting: [], warnings: [] })
    assert.equal(config.listeners.size, resources.get(LISTENER_TYPE)?.size)
    assert.equal(config.clusters.size, resources.get(CLUSTER_TYPE)?.size)
  })
}

function received<K extends MessageName>(resources: EnvoyResources, typeUrl: string, message: K): ReceivedByName<MessageTypes[K]> {
  return new Map(
    [...(resources.get(typeUrl) ?? [])].map(([name, { bytes }]) => {
      const decoded = proxyCodec.decode(message, bytes)
      assert.ok(decoded.ok, decoded.ok ? '' : `${name}: ${JSON.stringify(decoded.problems)}`)
      return [name, { message: decoded.value }]
    }),
  )
}
