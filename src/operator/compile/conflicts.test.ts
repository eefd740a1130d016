// What users may write in masses or in circles: answers stay clear, one for each mistake, and nobody waits for them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Finding } from '../../api/finding.ts'
import type { VirtualService } from '../../api/generated/virtual-service.gen.ts'
import type { AnyApiObject } from '../../api/kinds.ts'
import { compileRegex } from '../../base/regex.ts'
import { DEFAULT_MESH_SETTINGS } from '../../model/mesh-settings.ts'
import { emptyKubeState, nextKubeState } from '../ingest/kube-state.ts'
import { type CompiledMesh, createMeshCompiler, type MeshCompiler } from './compile-mesh.ts'

const SERVICE: AnyApiObject = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'reviews', namespace: 'default', labels: {}, annotations: {} },
  spec: { selector: { app: 'reviews' }, ports: [{ name: 'http', port: 80 }] },
}
const HOST = 'reviews.default.svc.cluster.local'

function route(name: string, spec: VirtualService['spec'], namespace = 'default'): VirtualService {
  const metadata = { name, namespace, labels: {}, annotations: {} }
  return { apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata, spec }
}

const forward = (prefix = '/'): NonNullable<VirtualService['spec']['http']> => [
  { match: [{ uri: { prefix } }], route: [{ destination: { host: 'reviews' } }] },
]

function compile(objects: readonly AnyApiObject[], compiler: MeshCompiler = createMeshCompiler()): CompiledMesh {
  return compiler.compile({
    ...{ state: nextKubeState(emptyKubeState, [SERVICE, ...objects]), settings: DEFAULT_MESH_SETTINGS, capture: 'redirect' },
    ...{ addresses: { strategy: 'loopback', workloads: {} }, ready: new Set<string>(), compileRegex },
  })
}

const said = (findings: readonly Finding[]): readonly string[] =>
  findings.map(({ code, object, path }) => `${code} ${object?.name} ${path}`).sort()

/** CPU, because the machine is shared. */
function cpuMs(work: () => void): number {
  const before = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

test('of a thousand VirtualServices for one host the oldest is in force, and each other one is told whose it is', () => {
  const objects = Array.from({ length: 1000 }, (_, index) =>
    route(`v-${String(index).padStart(4, '0')}`, { hosts: ['reviews'], http: forward() }),
  )
  let compiled: CompiledMesh | undefined
  const spentMs = cpuMs(() => {
    compiled = compile(objects)
  })

  assert.deepEqual(
    compiled?.snapshot.routes.get(HOST)?.map(({ origin }) => origin.name),
    ['v-0000'],
  )
  const conflicts = compiled?.findings.filter(({ code }) => code === 'LTN0205') ?? []
  assert.equal(conflicts.length, 999)
  assert.ok(conflicts.every(({ message }) => message.includes('VirtualService default/v-0000') && message.length < 200))
  assert.ok(spentMs < 1000, `${spentMs} ms`)
})

test('a thousand that are exported to the same namespaces by name are settled as quickly', () => {
  const exportTo = Array.from({ length: 20 }, (_, index) => `ns-${index}`)
  const objects = Array.from({ length: 1000 }, (_, index) =>
    route(`v-${String(index).padStart(4, '0')}`, { hosts: ['reviews'], exportTo, http: forward() }),
  )
  let findings: readonly Finding[] = []
  const spentMs = cpuMs(() => {
    findings = compile(objects).findings
  })

  assert.equal(findings.filter(({ code }) => code === 'LTN0205').length, 999)
  assert.ok(spentMs < 1000, `${spentMs} ms`)
})

test('delegates in a circle end after one level, each refusal said once', () => {
  const root = (name: string): VirtualService => route(name, { hosts: [`${name}.example.com`], http: [{ delegate: { name: 'a' } }] })
  const a = route('a', { http: [...forward('/a'), { delegate: { name: 'b' } }] })
  const b = route('b', { http: [...forward('/b'), { delegate: { name: 'a' } }] })
  const { snapshot, findings } = compile([root('r1'), root('r2'), a, b])

  assert.deepEqual(said(findings), ['LTN0215 a spec.http[1].delegate', 'LTN0218 b spec'])
  for (const host of ['r1.example.com', 'r2.example.com']) {
    assert.deepEqual(
      snapshot.routes.get(host)?.flatMap(({ http }) => http.map(({ match }) => match.path)),
      [{ kind: 'prefix', value: '/a' }],
    )
  }
})

test('a thousand delegates that all name each other cost no more than a thousand', () => {
  const delegate = (index: number): VirtualService =>
    route(`d-${index}`, {
      http: [...forward(`/${index}`), ...Array.from({ length: 5 }, (_, k) => ({ delegate: { name: `d-${(index + k) % 1000}` } }))],
    })
  const root = route('root', {
    hosts: ['reviews'],
    http: Array.from({ length: 1000 }, (_, index) => ({ delegate: { name: `d-${index}` } })),
  })
  let compiled: CompiledMesh | undefined
  const spentMs = cpuMs(() => {
    compiled = compile([root, ...Array.from({ length: 1000 }, (_, index) => delegate(index))])
  })

  assert.equal(compiled?.snapshot.routes.get(HOST)?.[0]?.http.length, 1000)
  assert.equal(compiled?.findings.filter(({ code }) => code === 'LTN0215').length, 5000)
  assert.ok(spentMs < 1000, `${spentMs} ms`)
})

test('the winner of a host is gone: the next one takes it, and the others are told of the new winner', () => {
  const [first, second, third] = ['v-1', 'v-2', 'v-3'].map((name) => route(name, { hosts: ['reviews'], http: forward() }))
  assert.ok(first !== undefined && second !== undefined && third !== undefined)
  const compiler = createMeshCompiler()
  compile([first, second, third], compiler)
  const { snapshot, findings } = compile([second, third], compiler)

  assert.equal(snapshot.routes.get(HOST)?.[0]?.origin.name, 'v-2')
  assert.deepEqual(
    findings.filter(({ code }) => code === 'LTN0205').map(({ object, message }) => [object?.name, message.includes('default/v-2')]),
    [['v-3', true]],
  )
})
