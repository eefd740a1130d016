import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findingAt } from '../../../api/finding.ts'
import { FakeClock } from '../../../base/fake-clock.ts'
import { startApiServer } from '../../../kube/api-server.fixture.ts'
import { createKubeClient } from '../../../kube/client.ts'
import { until } from '../../../kube/until.fixture.ts'
import type { StatusEvent } from '../../../operator/status/status-events.ts'
import { createOwnTroubles } from './own-troubles.ts'

const MISSING = findingAt('LTN0502', undefined, '', { kinds: 'WorkloadGroup' })
const EXPIRED = findingAt('LTN0403', undefined, '', { what: 'root', serial: '1', when: 'yesterday' })
const OF_A_USER = findingAt('LTN0105', undefined, '', { kind: 'X', apiVersion: 'v1', suggestion: '' })

test("a trouble of the control plane's own is told once, as an Event on its pod; what users did is not", async (t) => {
  const api = await startApiServer(t)
  const pod = api.put('Pod', { metadata: { name: 'cp-1', namespace: 'lateen-system' }, spec: {} })
  const client = createKubeClient(api.connection, { clock: new FakeClock() })
  t.after(() => client.close())
  const told: StatusEvent[] = []
  const troubles = createOwnTroubles({ client, namespace: 'lateen-system', podName: 'cp-1', tell: (events) => void told.push(...events) })

  troubles([OF_A_USER, MISSING])
  await until(() => told.length === 1, 'told')
  assert.deepEqual([told[0]?.reason, told[0]?.regarding.name, told[0]?.regarding.uid], ['ClusterTrouble', 'cp-1', pod.metadata.uid])
  assert.match(told[0]?.message ?? '', /^LTN0502: the cluster does not serve WorkloadGroup/)

  troubles([MISSING])
  troubles([MISSING, EXPIRED])
  await until(() => told.length === 2, 'told of the new one')
  assert.equal(told[1]?.reason, 'CertificateTrouble')
})
