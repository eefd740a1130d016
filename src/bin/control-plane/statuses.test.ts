// From Findings and digests to what the API server has of an object.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Finding } from '../../api/finding.ts'
import { readYaml } from '../../api/read-yaml.ts'
import { isRecord } from '../../api/record.ts'
import { FakeClock } from '../../base/fake-clock.ts'
import { silentLogger } from '../../base/log.ts'
import { seededRandom } from '../../base/random.ts'
import { compileRegex } from '../../base/regex.ts'
import { startApiServer } from '../../kube/api-server.fixture.ts'
import { createKubeClient } from '../../kube/client.ts'
import { DEFAULT_MESH_SETTINGS } from '../../model/mesh-settings.ts'
import { emptyKubeState, nextKubeState } from '../../operator/ingest/kube-state.ts'
import { createDigestBoard } from '../../xds/serve/digest-board.ts'
import { NO_FINDINGS, toPages } from './finding-pages.ts'
import type { CurrentMesh } from './mesh-loop.ts'
import { openStatuses } from './statuses.ts'

test('a new leader gives objects their status, from Findings and from digests, and follows what changes', async (t) => {
  const api = await startApiServer(t)
  const clock = new FakeClock()
  const client = createKubeClient(api.connection, { clock })
  const board = createDigestBoard(() => clock.nowMs())
  const created = api.put('VirtualService', { metadata: { name: 'a', namespace: 'default' }, spec: { hosts: ['a'] } })
  const uid = String(created.metadata.uid)
  const text = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: a, namespace: default, uid: ${uid}, generation: 1}
spec: {hosts: [a], http: [{route: [{destination: {host: a}}]}]}
`
  const read = readYaml(text, 'a.yaml', { defaultNamespace: 'default', compileRegex })
  const found: Finding = {
    ...{ code: 'LTN0201', severity: 'error', object: { kind: 'VirtualService', namespace: 'default', name: 'a' } },
    ...{ path: 'spec.http[0]', message: "no service 'a' is known", hint: '' },
  }
  const state = nextKubeState(emptyKubeState, read.objects)
  let current: CurrentMesh = {
    ...{ state, addresses: { strategy: 'ports', workloads: {} }, settings: DEFAULT_MESH_SETTINGS, problems: [], compiledMs: 0 },
    findings: { ofReading: [], ofCompiling: toPages([found]) },
  }
  const statuses = openStatuses({
    ...{ client, current: () => current, board, isLeader: () => true, namespaces: undefined, instance: 'a' },
    ...{ clock, random: seededRandom(1), log: silentLogger },
  })
  t.after(async () => {
    await statuses.stop()
    client.close()
  })
  const condition = (type: string): unknown => {
    const status = api.get('VirtualService', 'a', 'default')?.status
    const all: readonly unknown[] = isRecord(status) && Array.isArray(status.conditions) ? status.conditions : []
    const one = all.find((each) => isRecord(each) && each.type === type)
    return isRecord(one) ? `${String(one.status)} ${String(one.reason)}` : undefined
  }
  const until = async (type: string, expected: string): Promise<void> => {
    while (condition(type) !== expected) {
      await nextTurn()
      clock.advance(50)
    }
  }
  const digest = (programmed: number): void => {
    const row = { uid, generation: 1, concerned: 2, programmed, lagging: [], absent: 0, absentProxies: [] }
    const objects = [{ object: 'VirtualService default/a', ...row }]
    board.take({ replica: 'a', whole: true, objects, goneObjects: [], proxies: [], goneProxies: [] })
    statuses.changed(board.takeChanged())
  }
  digest(2)
  statuses.lead()
  await until('Accepted', 'False Invalid')
  assert.equal(condition('Programmed'), 'True Programmed')

  current = { ...current, findings: { ofReading: [], ofCompiling: NO_FINDINGS } }
  statuses.compiled()
  await until('Accepted', 'True Valid')

  clock.advance(30_000)
  digest(1)
  await until('Programmed', 'False Pending')
})
