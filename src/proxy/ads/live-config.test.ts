import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../base/fake-clock.ts'
import { silentLogger } from '../../base/log.ts'
import { compileRegex, compileRegexRewrite, compileStrictRegex } from '../../base/regex.ts'
import type { Cluster } from '../../envoy/generated/messages.gen.ts'
import { Assembler, type Received, type Resources } from '../config/assemble.ts'
import type { ProxyConfig } from '../config/proxy-config.ts'
import type { DataPlane, ListenerProblem } from '../data-plane.ts'
import { LiveConfig } from './live-config.ts'

/** A data plane that only remembers; `answer` is what the next apply says, `gate` holds it. */
function fakeDataPlane() {
  const applied: ProxyConfig[] = []
  const plane = {
    applied,
    answers: [] as ListenerProblem[][],
    gate: Promise.resolve(),
    config: { listeners: new Map(), clusters: new Map() } as ProxyConfig,
    async apply(config: ProxyConfig) {
      applied.push(config)
      plane.config = config
      await plane.gate
      return plane.answers.shift() ?? []
    },
    drain: () => Promise.resolve(),
    shrink: () => undefined,
    close: () => undefined,
    clusterStatus: () => [],
    activeConnections: 0,
    activeRequests: 0,
  }
  return plane satisfies DataPlane
}

function cluster(name: string, eds: boolean): Received<Cluster> {
  const message: Cluster = eds ? { name, type: 'EDS', edsClusterConfig: { edsConfig: { ads: {} } } } : { name, type: 'STATIC' }
  return { message }
}

function setUp(clusters: readonly Received<Cluster>[]) {
  const clock = new FakeClock()
  const dataPlane = fakeDataPlane()
  const held = new Map(clusters.map((each) => [each.message.name ?? '', each]))
  const resources: Resources = { listeners: new Map(), clusters: held, routes: new Map(), endpoints: new Map() }
  const regex = { compile: compileRegex, compileStrict: compileStrictRegex, rewriter: compileRegexRewrite }
  const assembler = new Assembler({ regex, allowUnsupported: false })
  const controlPlane = { isComplete: true }
  const isComplete = (): boolean => controlPlane.isComplete
  const live = new LiveConfig({ assembler, resources: () => resources, isComplete, dataPlane, clock, log: silentLogger })
  const next = () =>
    new Promise<void>((resolve) => {
      const stop = live.status.watch(() => {
        stop()
        resolve()
      })
    })
  return { clock, controlPlane, dataPlane, held, live, next }
}

test('a complete configuration is applied and makes the proxy ready', async () => {
  const { live, next, dataPlane } = setUp([cluster('a', false)])
  const done = next()
  live.refresh()
  await done
  assert.equal(live.status.value.ready, true)
  assert.deepEqual([...(dataPlane.applied[0]?.clusters.keys() ?? [])], ['a'])
})

test('changes during an apply are applied next, as one', async () => {
  const { live, next, dataPlane, held } = setUp([cluster('a', false)])
  const gate = Promise.withResolvers<void>()
  dataPlane.gate = gate.promise
  live.refresh()
  held.set('b', cluster('b', false))
  live.refresh()
  held.set('c', cluster('c', false))
  live.refresh()
  gate.resolve()
  await next()
  await next()
  assert.deepEqual(
    dataPlane.applied.map(({ clusters }) => [...clusters.keys()].join()),
    ['a', 'a,b,c'],
  )
})

test('what came during an apply makes the proxy ready only when it runs', async () => {
  const { live, next, dataPlane, controlPlane, held } = setUp([])
  const gate = Promise.withResolvers<void>()
  dataPlane.gate = gate.promise
  controlPlane.isComplete = false
  const first = next()
  live.refresh()
  held.set('a', cluster('a', false))
  controlPlane.isComplete = true
  live.refresh()
  gate.resolve()
  await first
  assert.equal(live.status.value.ready, false)
  await next()
  assert.deepEqual([live.status.value.ready, dataPlane.config.clusters.size], [true, 1])
})

test('missing endpoints are waited for, but not for ever', async () => {
  const { live, next, clock } = setUp([cluster('a', true)])
  const first = next()
  live.refresh()
  await first
  assert.equal(live.status.value.ready, false)
  assert.equal(live.status.value.waiting[0]?.missing, 'a')
  const second = next()
  clock.advance(15_000)
  await second
  assert.equal(live.status.value.ready, true)
})

test('a port that is taken keeps the proxy unready and is tried again', async () => {
  const { live, next, dataPlane, clock } = setUp([])
  dataPlane.answers.push([{ listener: 'web', message: 'EADDRINUSE' }])
  const first = next()
  live.refresh()
  await first
  assert.deepEqual([live.status.value.ready, live.status.value.failures], [false, ['web: EADDRINUSE']])
  const second = next()
  clock.advance(1000)
  await second
  assert.deepEqual([live.status.value.ready, live.status.value.failures], [true, []])
})
