import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { AddressPlan } from '../model/address-plan.ts'
import {
  type AddressOptions,
  type AddressStrategy,
  type Assignments,
  controlPlanePort,
  MAX_MESHES,
  meshLockPort,
  NO_ASSIGNMENTS,
  type PlannedService,
  type PlannedWorkload,
  planAddresses,
} from './address-plan.ts'

const options = (strategy: AddressStrategy, mesh = 1, unavailable: readonly number[] = []): AddressOptions => ({
  strategy,
  mesh,
  unavailablePorts: new Set(unavailable),
  firstUnprivilegedPort: 1024,
})

const workload = (name: string, publish: PlannedWorkload['publish'] = []): PlannedWorkload => ({
  namespace: 'default',
  name,
  workload: name,
  ports: [{ name: 'http', containerPort: 9080 }],
  publish,
})
const service = (name: string, port = 9080): PlannedService => ({ namespace: 'default', name, ports: [{ port }] })

/** Every socket that the mesh opens, each once. */
function sockets(plan: AddressPlan): string[] {
  return Object.values(plan.workloads).flatMap((each) =>
    [
      each.admin,
      each.health,
      each.metrics,
      each.httpProxy,
      ...each.inbound.flatMap(({ listen, application }) => [listen, application]),
      ...each.outbound.map(({ listen }) => listen),
    ].map(({ host, port }) => `${host}:${port}`),
  )
}

const names = fc.uniqueArray(fc.stringMatching(/^[a-d]{1,2}$/), { minLength: 1, maxLength: 8 })
const strategies = fc.constantFrom<AddressStrategy>('loopback', 'ports')

test('no two sockets of a mesh share an address', () => {
  fc.assert(
    fc.property(names, names, strategies, (workloads, services, strategy) => {
      const { plan, problems } = planAddresses(
        workloads.map((name) => workload(name)),
        services.map((name) => service(name)),
        NO_ASSIGNMENTS,
        options(strategy),
      )
      assert.deepEqual(problems, [])
      const all = sockets(plan)
      assert.equal(new Set(all).size, all.length)
    }),
  )
})

test('two meshes on one machine share no address', () => {
  fc.assert(
    fc.property(names, names, strategies, strategies, (workloads, services, one, other) => {
      const given = [workloads.map((name) => workload(name)), services.map((name) => service(name)), NO_ASSIGNMENTS] as const
      const first = new Set(sockets(planAddresses(...given, options(one, 1)).plan))
      const second = sockets(planAddresses(...given, options(other, 2)).plan)
      assert.deepEqual(
        second.filter((address) => first.has(address)),
        [],
      )
    }),
  )
})

test('what comes or goes changes no address of what stays', () => {
  fc.assert(
    fc.property(names, names, names, strategies, (before, after, services, strategy) => {
      const offered = services.map((name) => service(name))
      const first = planAddresses(
        before.map((name) => workload(name)),
        offered,
        NO_ASSIGNMENTS,
        options(strategy),
      )
      const second = planAddresses(
        after.map((name) => workload(name)),
        offered,
        first.assignments,
        options(strategy),
      )
      for (const name of before.filter((each) => after.includes(each))) {
        assert.deepEqual(second.plan.workloads[`default/${name}`], first.plan.workloads[`default/${name}`])
      }
    }),
  )
})

test('the order of files and objects does not matter', () => {
  const shuffled = planAddresses([workload('b'), workload('a')], [service('y'), service('x')], NO_ASSIGNMENTS, options('loopback'))
  const sorted = planAddresses([workload('a'), workload('b')], [service('x'), service('y')], NO_ASSIGNMENTS, options('loopback'))
  assert.deepEqual(shuffled, sorted)
})

test('with loopback addresses each workload has an address, and one for each service as it calls it', () => {
  const { plan } = planAddresses([workload('a'), workload('b')], [service('x'), service('y')], NO_ASSIGNMENTS, options('loopback', 7))
  const b = plan.workloads['default/b']
  assert.equal(b?.address, '127.7.2.1')
  assert.deepEqual(b.admin, { host: '127.7.2.1', port: 15000 })
  assert.deepEqual(b.inbound[0]?.listen, { host: '127.7.2.1', port: 9080 })
  assert.equal(b.inbound[0].application.host, '127.0.0.1')
  assert.deepEqual(
    b.outbound.map(({ service: name, listen }) => [name, listen.host]),
    [
      ['default/x', '127.7.2.2'],
      ['default/y', '127.7.2.3'],
    ],
  )
})

test('a port that another program holds is not given out, and one given before is kept', () => {
  const first = planAddresses([workload('a')], [], NO_ASSIGNMENTS, options('loopback'))
  const port = first.plan.workloads['default/a']?.inbound[0]?.application.port ?? 0
  const avoided = planAddresses([workload('a')], [], NO_ASSIGNMENTS, options('loopback', 1, [port]))
  assert.notEqual(avoided.plan.workloads['default/a']?.inbound[0]?.application.port, port)
  const kept = planAddresses([workload('a')], [], first.assignments, options('loopback', 1, [port]))
  assert.equal(kept.plan.workloads['default/a']?.inbound[0]?.application.port, port)
})

test('a privileged port is moved up, because only root may listen there', () => {
  const { plan } = planAddresses([workload('a')], [service('web', 80)], NO_ASSIGNMENTS, options('loopback'))
  assert.equal(plan.workloads['default/a']?.outbound[0]?.listen.port, 20_080)
})

test('a published service listens on 127.0.0.1 and is told from the virtual address', () => {
  const entry = workload('ingress', [{ service: 'web', port: 9080, hostPort: 8000 }])
  const { plan, problems } = planAddresses([entry], [service('web')], NO_ASSIGNMENTS, options('loopback'))
  assert.deepEqual(problems, [])
  assert.deepEqual(
    plan.workloads['default/ingress']?.outbound.map(({ listen, published }) => [listen.host, listen.port, published]),
    [
      ['127.1.1.2', 9080, false],
      ['127.0.0.1', 8000, true],
    ],
  )
})

test('publishing what does not exist, or a port twice, is a problem with a place', () => {
  const entries = [
    workload('a', [{ service: 'nobody', port: 9080, hostPort: 8000 }]),
    workload('b', [{ service: 'web', port: 1, hostPort: 8001 }]),
    workload('c', [{ service: 'web', port: 9080, hostPort: 8002 }]),
    workload('d', [{ service: 'web', port: 9080, hostPort: 8002 }]),
  ]
  const { problems } = planAddresses(entries, [service('web')], NO_ASSIGNMENTS, options('loopback'))
  assert.deepEqual(
    problems.map(({ path, message }) => `${path}: ${message}`),
    [
      'LocalWorkload default/a spec.publish[0]: there is no Service default/nobody',
      'LocalWorkload default/b spec.publish[0]: Service default/web has no port 1',
      'LocalWorkload default/d spec.publish: default/c publishes port 8002 already',
    ],
  )
})

test('a mesh that is too big says so and plans the rest', () => {
  const many = Array.from({ length: 260 }, (_, index) => workload(`w${String(index).padStart(3, '0')}`))
  const { plan, problems } = planAddresses(many, [], NO_ASSIGNMENTS, options('loopback'))
  assert.equal(Object.keys(plan.workloads).length, 253)
  assert.equal(problems.length, 7)
})

test('a number of what is long gone is given again when there is no other', () => {
  const gone: Record<string, number> = Object.fromEntries(Array.from({ length: 253 }, (_, index) => [`default/old${index}`, index + 1]))
  const full: Assignments = { ...NO_ASSIGNMENTS, workloads: gone }
  const { plan, problems } = planAddresses([workload('new')], [], full, options('loopback'))
  assert.deepEqual(problems, [])
  assert.match(plan.workloads['default/new']?.address ?? '', /^127\.1\.\d+\.1$/)
})

test('the ports of the mesh number and of the control plane are given to nobody and stay below the ephemeral range', () => {
  const many = Array.from({ length: 250 }, (_, index) => ({
    ...workload(`w${index}`),
    ports: [80, 81, 82].map((port) => ({ name: '', containerPort: port })),
  }))
  const { assignments, problems } = planAddresses(many, [], NO_ASSIGNMENTS, options('loopback', 3))
  assert.ok(problems.length > 0)
  for (const kept of [meshLockPort(3), controlPlanePort(3)]) assert.equal(Object.values(assignments.ports).includes(kept), false)
  assert.ok(Object.values(assignments.ports).includes(controlPlanePort(3) - 1))
  assert.ok(meshLockPort(MAX_MESHES) < 32_768)
})
