// Deletes what the control plane has made and the release does not own: root certificates' ConfigMaps, the authority's key, the lease.
// Run by the post-delete hook, when nobody is left who would make them again. Another control plane in the cluster shares the authority:
// then only the lease goes.
import { readFileSync } from 'node:fs'
import https from 'node:https'

const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port, NAMESPACE, LEASE, KEEP_AUTHORITY } = process.env
const account = '/var/run/secrets/kubernetes.io/serviceaccount'
const token = readFileSync(`${account}/token`, 'utf8')
const ca = readFileSync(`${account}/ca.crt`)

function ask(method, path) {
  return new Promise((resolve, reject) => {
    const request = https.request({ host, port, path, method, ca, headers: { authorization: `Bearer ${token}` } }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part) => {
        text += part
      })
      response.on('end', () => resolve({ status: response.statusCode, text }))
    })
    request.on('error', reject).end()
  })
}

async function list(path) {
  const { status, text } = await ask('GET', path)
  if (status !== 200) throw new Error(`${path}: the API server answered ${status}`)
  return JSON.parse(text).items
}

async function remove(path) {
  const { status } = await ask('DELETE', path)
  if (status === 404) return
  process.stdout.write(`${path}: ${status < 300 ? 'deleted' : `refused (${status})`}\n`)
  if (status >= 300) process.exitCode = 1
}

await remove(`/apis/coordination.k8s.io/v1/namespaces/${NAMESPACE}/leases/${LEASE}`)
const others = await list('/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations?labelSelector=app%3Dlateen-injector')
if (others.length > 0) {
  process.stdout.write('another control plane is here: the authority and its roots stay\n')
} else {
  for (const { metadata } of await list('/api/v1/namespaces')) {
    const path = `/api/v1/namespaces/${metadata.name}/configmaps/lateen-ca-root-cert`
    // One of the same name that somebody else made is his.
    const { status, text } = await ask('GET', path)
    if (status === 200 && JSON.parse(text).metadata.labels?.['app.kubernetes.io/managed-by'] === 'lateen') await remove(path)
  }
  if (KEEP_AUTHORITY !== 'true') await remove(`/api/v1/namespaces/${NAMESPACE}/secrets/lateen-ca-secret`)
}
