// Pods in, pods out: each case of cases/ is a pod as it comes to the webhook and what injection makes of it, both readable as documentation.
// UPDATE_GOLDEN=1 writes the results anew; review the difference.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { stringify } from 'yaml'
import { readCaptureRequest } from '../../src/capture/read-options.ts'
import { readAgentSettings } from '../../src/envoy/agent-settings.ts'
import { readBootstrap } from '../../src/envoy/bootstrap.ts'
import { proxyCodec } from '../../src/envoy/proxy-codec.ts'
import { applyPatch } from '../../src/webhook/apply-patch.fixture.ts'
import { jsonPatch } from '../../src/webhook/json-patch.ts'
import type { Container, Pod } from '../../src/webhook/pod.ts'
import { CASES, inject, podOf, readCases } from './injection-case.ts'

const cases = readCases()
const injected = cases.flatMap((each) => {
  const made = inject(each)
  return made.ok ? [{ each, pod: made.value.pod }] : []
})

for (const each of cases) {
  test(`${each.name}: ${each.about}`, () => {
    const made = inject(each)
    const text = stringify(made.ok ? { warnings: made.value.warnings, pod: readable(made.value.pod) } : { problems: made.problems }, {
      lineWidth: 0,
    })
    const file = path.join(CASES, `${each.name}.out.yaml`)
    if (process.env.UPDATE_GOLDEN === '1') writeFileSync(file, text)
    assert.ok(existsSync(file), `${file} is missing: run with UPDATE_GOLDEN=1 and read it`)
    assert.equal(text, readFileSync(file, 'utf8'))
  })
}

test('every result belongs to a case', () => {
  const results = readdirSync(CASES).filter((name) => name.endsWith('.out.yaml'))
  assert.deepEqual(
    results.sort(),
    cases.map(({ name }) => `${name}.out.yaml`),
  )
})

test('an injected pod that is injected again is the same', () => {
  for (const { each, pod } of injected) {
    const again = inject(each, pod)
    assert.ok(again.ok, each.name)
    assert.deepEqual(again.value.pod, pod, each.name)
  }
})

test('a pod that a new version of the mesh injects again has nothing left of the old one', () => {
  for (const { each } of injected) {
    const old = inject({
      ...each,
      nativeSidecars: !each.nativeSidecars,
      config: { ...each.config, statusPort: 15_999, image: 'old/image:1' },
    })
    assert.ok(old.ok, each.name)
    const fresh = inject(each, old.value.pod)
    const once = inject(each)
    assert.ok(fresh.ok && once.ok, each.name)
    assert.deepEqual(fresh.value.pod, once.value.pod, each.name)
  }
})

test('the patch applied to the pod as it came gives the injected pod', () => {
  for (const { each, pod } of injected) assert.deepEqual(applyPatch(podOf(each), jsonPatch(podOf(each), pod)), pod, each.name)
})

test('injection leaves the pod that it was given alone', () => {
  for (const { each } of injected) {
    const pod = podOf(each)
    const copy = structuredClone(pod)
    inject(each, pod)
    assert.deepEqual(pod, copy, each.name)
  }
})

test('the proxy takes every bootstrap after Kubernetes has expanded it', () => {
  for (const { each, pod } of injected) {
    const env = expandedEnv(proxyOf(pod))
    const text = env.get('LATEEN_BOOTSTRAP') ?? ''
    assert.doesNotMatch(text, /\$\((?:POD_|INSTANCE|NODE_|SERVICE_)/, each.name)
    const read = readBootstrap(proxyCodec, JSON.parse(text))
    assert.ok(read.ok, `${each.name}: ${read.ok ? '' : JSON.stringify(read.problems)}`)
    assert.match(read.value.node?.id ?? '', /^(?:sidecar|router)~POD_IP~NAME\.NAMESPACE~NAMESPACE\.svc\.cluster\.local$/)
  }
})

test("the proxy's agent takes every setting after Kubernetes has expanded it, and finds every probe that was rewritten", () => {
  for (const { each, pod } of injected) {
    const settings = readAgentSettings(expandedEnv(proxyOf(pod)).get('LATEEN_AGENT') ?? '')
    assert.ok(settings.ok, `${each.name}: ${settings.ok ? '' : JSON.stringify(settings.problems)}`)
    const asked = [...JSON.stringify(pod.spec).matchAll(/"path":"(\/app-(?:health|lifecycle)[^"]+)"/g)].map(([, found]) => found)
    assert.deepEqual(asked.sort(), Object.keys(settings.value.probes).sort(), each.name)
  }
})

test('lateen iptables takes the options of every init container', () => {
  const runs = injected.flatMap(({ each, pod }) =>
    (pod.spec.initContainers ?? []).filter(({ name }) => name === 'lateen-init').map((init) => ({ each, init })),
  )
  assert.ok(runs.length > 10)
  for (const { each, init } of runs) {
    const [word, ...args] = Array.isArray(init.args) ? init.args : []
    assert.equal(word, 'iptables')
    const read = readCaptureRequest(args, { env: {}, resolvConf: '', groupFile: '' } as never) // options name no group and no DNS server
    assert.ok(read.ok, `${each.name}: ${read.ok ? '' : JSON.stringify(read.problems)}`)
  }
})

test('only lateen-init has rights', () => {
  for (const { each, pod } of injected) {
    for (const container of [...pod.spec.containers, ...(pod.spec.initContainers ?? [])]) {
      const rights = JSON.stringify(container.securityContext ?? {}).includes('NET_ADMIN')
      assert.equal(rights, container.name === 'lateen-init', `${each.name}: ${container.name}`)
    }
  }
})

function proxyOf(pod: Pod): Container {
  const found = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])].find(({ name }) => /^(?:lateen|istio)-proxy$/.test(name))
  assert.ok(found !== undefined)
  return found
}

const DOWNWARD: Readonly<Record<string, string>> = { 'metadata.name': 'NAME', 'metadata.namespace': 'NAMESPACE', 'status.podIP': 'POD_IP' }

/** As the kubelet does it: `$(NAME)` of variables that stand before, `$$` for `$`. */
function expandedEnv({ env = [] }: Container): ReadonlyMap<string, string> {
  const values = new Map<string, string>()
  for (const { name, value, valueFrom } of env) {
    const path = /"fieldPath":"([^"]+)"/.exec(JSON.stringify(valueFrom ?? {}))?.[1]
    const text = path === undefined ? (value ?? '') : (DOWNWARD[path] ?? path)
    values.set(
      name,
      path === undefined
        ? text.replaceAll(/\$\$|\$\(([^)]+)\)/g, (whole, found) => (whole === '$$' ? '$' : (values.get(found) ?? whole)))
        : text,
    )
  }
  return values
}

/** JSON inside of texts as YAML, for people; what they hold is tested above as it is. */
function readable(pod: Pod): unknown {
  return JSON.parse(JSON.stringify(pod), (_key, value: unknown) => {
    if (typeof value !== 'string' || !/^[[{]/.test(value)) return value
    try {
      return { 'as JSON text': JSON.parse(value) }
    } catch (error) {
      assert.ok(error instanceof SyntaxError)
      return value
    }
  })
}
