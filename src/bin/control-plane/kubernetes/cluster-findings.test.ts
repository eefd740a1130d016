import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readYaml } from '../../../api/read-yaml.ts'
import { Watchable } from '../../../base/watchable.ts'
import type { CredentialAnswer } from '../../../identity/credential.ts'
import type { IngestState } from '../../../operator/ingest/config-source.ts'
import { emptyKubeState, nextKubeState } from '../../../operator/ingest/kube-state.ts'
import type { UnreadKind } from '../../../operator/ingest/kubernetes-source.ts'
import { withClusterFindings } from './cluster-findings.ts'

const OBJECTS = `
{apiVersion: v1, kind: Namespace, metadata: {name: shop}}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop}
spec: {selector: {app: edge}, servers: [{port: {number: 443, name: s, protocol: HTTPS}, hosts: ["*"], tls: {mode: SIMPLE, credentialName: www}}]}
---
apiVersion: v1
kind: Pod
metadata: {name: edge-1, namespace: ingress, labels: {app: edge}, annotations: {sidecar.istio.io/status: "{}", inject.istio.io/templates: gateway}}
spec: {serviceAccountName: edge}
---
apiVersion: v1
kind: Pod
metadata: {name: liar, namespace: shop, labels: {app: edge}, annotations: {sidecar.istio.io/status: "{}"}}
spec: {serviceAccountName: web}
`

function scene() {
  const { objects } = readYaml(OBJECTS, 'test.yaml', { defaultNamespace: 'default' })
  const source = new Watchable<IngestState>({ state: nextKubeState(emptyKubeState, objects), findings: [] })
  const unread = new Watchable<readonly UnreadKind[]>([])
  const foreignRoots = new Watchable<readonly string[]>([])
  let answer: CredentialAnswer = 'pending'
  const asked: string[] = []
  let tell: (namespaces: ReadonlySet<string>) => void = () => undefined
  const said = withClusterFindings({
    source,
    unread,
    foreignRoots,
    credentials: {
      credentialOf(namespace, name, account) {
        asked.push(`${namespace}/${name} ${account}`)
        return answer
      },
      watch(changed) {
        tell = changed
        return () => undefined
      },
    },
  })
  const lines = (): readonly string[] =>
    said.current.value.findings.map(({ code, object, message }) => `${code} ${object?.kind ?? ''} ${object?.name ?? ''}: ${message}`)
  const becomes = (next: CredentialAnswer): void => {
    answer = next
    tell(new Set(['ingress']))
  }
  return { source, unread, foreignRoots, said, lines, asked, becomes }
}

test('what a gateway pod has no certificate for is said of its Gateway, once it is known', () => {
  const { lines, asked, becomes } = scene()
  assert.deepEqual(lines(), [])
  assert.deepEqual([...new Set(asked)], ['ingress/www edge'], 'a sidecar is not asked for')
  becomes(undefined)
  assert.deepEqual(lines(), [
    "LTN0235 Gateway edge: gateways in the namespace 'ingress' have nothing to use for it: the secret 'www' does not exist",
  ])
  becomes({ refused: 'may not be read by it' })
  assert.match(lines()[0] ?? '', /the secret 'www' may not be read by it$/)
  becomes({ pair: undefined, pairProblem: undefined, authoritiesPem: 'x', authoritiesProblem: undefined })
  assert.deepEqual(lines(), [])
})

test("a root ConfigMap of somebody else and kinds that cannot be read are Findings; without any, the value is the source's own", () => {
  const { source, unread, foreignRoots, said, lines } = scene()
  assert.equal(said.current.value, source.value)
  foreignRoots.set(['shop'])
  unread.set([
    { kind: 'WorkloadGroup', isMissing: true, isForbidden: false, because: 'not found' },
    { kind: 'Pod', isMissing: false, isForbidden: true, because: 'list Pods: forbidden' },
  ])
  assert.deepEqual(lines(), [
    "LTN0501 Namespace shop: the namespace 'shop' has a ConfigMap 'lateen-ca-root-cert' that is not ours, so it is left alone",
    'LTN0502  : the cluster does not serve WorkloadGroup, which count as empty',
    'LTN0503  : Pod objects cannot be read: list Pods: forbidden',
  ])
  const { findings } = said.current.value
  source.set({ ...source.value })
  assert.equal(said.current.value.findings, findings, 'nothing new is nothing new')
  foreignRoots.set([])
  unread.set([])
  assert.equal(said.current.value.findings, source.value.findings)
})
