// Deletes the webhook configurations named in MUTATING and VALIDATING. Run by the pre-delete hook, with the pod's own account.
// One that is not there is as good as deleted; any other refusal fails the hook, and with it the uninstall.
import { readFileSync } from 'node:fs'
import https from 'node:https'

const account = '/var/run/secrets/kubernetes.io/serviceaccount'
const host = process.env.KUBERNETES_SERVICE_HOST
const port = process.env.KUBERNETES_SERVICE_PORT
const token = readFileSync(`${account}/token`, 'utf8')
const ca = readFileSync(`${account}/ca.crt`)

function remove(plural, name) {
  const path = `/apis/admissionregistration.k8s.io/v1/${plural}/${name}`
  return new Promise((resolve, reject) => {
    const request = https.request({ host, port, path, method: 'DELETE', ca, headers: { authorization: `Bearer ${token}` } }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode))
    })
    request.on('error', reject).end()
  })
}

for (const [plural, names] of [
  ['mutatingwebhookconfigurations', process.env.MUTATING],
  ['validatingwebhookconfigurations', process.env.VALIDATING],
]) {
  for (const name of names.split(',').filter((each) => each !== '')) {
    const status = await remove(plural, name)
    process.stdout.write(`${plural}/${name}: ${status === 404 ? 'not there' : status < 300 ? 'deleted' : `refused (${status})`}\n`)
    if (status !== 404 && status >= 300) process.exitCode = 1
  }
}
