// What the control plane's account may do in the cluster, asked of the cluster itself: every right it needs, and none of those that would
// make a stolen token of it a way to other people's secrets or pods.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { stringify } from 'yaml'
import { run } from './harness/kubectl.ts'
import { SYSTEM } from './harness/story.ts'

const ACCOUNT = `system:serviceaccount:${SYSTEM}:lateen-control-plane`
const GROUPS = ['system:serviceaccounts', `system:serviceaccounts:${SYSTEM}`, 'system:authenticated']
const READ = ['get', 'list', 'watch']

interface Right {
  readonly verbs: readonly string[]
  readonly on: string
  /** Undefined: in all of them. */
  readonly namespace?: string
}

const MUST: readonly Right[] = [
  { verbs: READ, on: 'services' },
  { verbs: READ, on: 'pods' },
  { verbs: READ, on: 'endpointslices.discovery.k8s.io' },
  { verbs: READ, on: 'serviceaccounts' },
  { verbs: READ, on: 'namespaces' },
  { verbs: READ, on: 'nodes' },
  { verbs: READ, on: 'virtualservices.networking.istio.io' },
  { verbs: ['patch'], on: 'virtualservices.networking.istio.io/status' },
  { verbs: READ, on: 'authorizationpolicies.security.istio.io' },
  { verbs: ['patch'], on: 'authorizationpolicies.security.istio.io/status' },
  { verbs: ['create'], on: 'tokenreviews.authentication.k8s.io' },
  { verbs: ['create'], on: 'subjectaccessreviews.authorization.k8s.io' },
  { verbs: ['create', 'patch'], on: 'events' },
  { verbs: ['create'], on: 'configmaps' },
  { verbs: ['update', 'delete'], on: 'configmaps/lateen-ca-root-cert' },
  { verbs: ['update', 'patch'], on: 'leases.coordination.k8s.io/lateen-leader', namespace: SYSTEM },
  { verbs: ['get', 'update'], on: 'secrets/lateen-ca-secret', namespace: SYSTEM },
  { verbs: ['get'], on: 'secrets/cacerts', namespace: SYSTEM },
]

const MUST_NOT: readonly Right[] = [
  { verbs: [...READ, 'create', 'update', 'patch', 'delete'], on: 'secrets', namespace: 'default' },
  { verbs: [...READ, 'create'], on: 'secrets', namespace: 'kube-system' },
  { verbs: ['create', 'update', 'patch', 'delete'], on: 'pods' },
  { verbs: ['create'], on: 'pods/exec' },
  { verbs: ['create'], on: 'pods/ephemeralcontainers' },
  { verbs: ['create', 'update', 'patch'], on: 'deployments.apps' },
  { verbs: ['create', 'update', 'patch'], on: 'daemonsets.apps' },
  { verbs: ['create'], on: 'serviceaccounts/token' },
  { verbs: ['impersonate'], on: 'users' },
  { verbs: ['impersonate'], on: 'serviceaccounts' },
  { verbs: ['create', 'update', 'patch', 'bind', 'escalate'], on: 'clusterroles.rbac.authorization.k8s.io' },
  { verbs: ['create', 'update', 'patch'], on: 'clusterrolebindings.rbac.authorization.k8s.io' },
  { verbs: ['create', 'update', 'patch', 'delete'], on: 'mutatingwebhookconfigurations.admissionregistration.k8s.io' },
  { verbs: ['create', 'update', 'delete'], on: 'virtualservices.networking.istio.io' },
  { verbs: ['create', 'update', 'delete'], on: 'authorizationpolicies.security.istio.io' },
  { verbs: ['update', 'patch', 'delete'], on: 'configmaps' },
  { verbs: ['get', 'list'], on: 'configmaps', namespace: 'kube-system' },
  { verbs: ['update', 'patch', 'delete'], on: 'namespaces' },
  { verbs: ['update', 'patch'], on: 'nodes' },
  { verbs: ['get'], on: 'nodes/proxy' },
  { verbs: ['create', 'update'], on: 'customresourcedefinitions.apiextensions.k8s.io' },
  { verbs: ['approve'], on: 'signers.certificates.k8s.io' },
]

interface Question {
  readonly said: string
  readonly review: object
}

/** What `kubectl auth can-i --as` asks. */
function questionsOf({ verbs, on, namespace }: Right): readonly Question[] {
  const [kind = '', part] = on.split('/')
  const [resource = '', ...group] = kind.split('.')
  const subresources = ['status', 'exec', 'ephemeralcontainers', 'token', 'proxy']
  const place = part === undefined ? {} : subresources.includes(part) ? { subresource: part } : { name: part }
  return verbs.map((verb) => ({
    said: `${verb} ${on} in ${namespace ?? 'all namespaces'}`,
    review: {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      spec: { user: ACCOUNT, groups: GROUPS, resourceAttributes: { verb, group: group.join('.'), resource, namespace, ...place } },
    },
  }))
}

/** Those to which the answer is another one than `wanted`. */
async function answeredOtherwise(rights: readonly Right[], wanted: boolean): Promise<readonly string[]> {
  const questions = rights.flatMap(questionsOf)
  const text = questions.map(({ review }) => stringify(review)).join('---\n')
  const { stdout } = await run('kubectl', ['create', '-f', '-', '-o', 'jsonpath={.status.allowed}{"\\n"}'], text)
  const answers = stdout.trim().split('\n')
  assert.equal(answers.length, questions.length)
  return questions.filter((_, index) => (answers[index] === 'true') !== wanted).map(({ said }) => said)
}

test('the control plane has the rights that it needs', { timeout: 60_000 }, async () => {
  assert.deepEqual(await answeredOtherwise(MUST, true), [])
})

test('and none with which its account would be worth stealing', { timeout: 60_000 }, async () => {
  assert.deepEqual(await answeredOtherwise(MUST_NOT, false), [])
})
