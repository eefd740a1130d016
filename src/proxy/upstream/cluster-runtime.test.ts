import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cluster } from '../../../test/dataplane/configs.ts'
import { systemClock } from '../../base/clock.ts'
import { silentLogger } from '../../base/log.ts'
import { TimerWheel } from '../../base/timer-wheel.ts'
import { LocalSecretStore } from '../certs/local-secret-store.ts'
import type { SecretStore } from '../certs/secret-store.ts'
import type { Cluster, UpstreamTls } from '../config/proxy-config.ts'
import { ClusterRuntime } from './cluster-runtime.ts'

/** Says what it was asked for. */
function secretStore(): { readonly secrets: SecretStore; readonly asked: string[] } {
  const store = new LocalSecretStore(systemClock, silentLogger)
  const asked: string[] = []
  return {
    asked,
    secrets: {
      keyPair: (source) => {
        asked.push(source.kind)
        return store.keyPair({ kind: 'sds', name: 'any' })
      },
      roots: (trust) => store.roots(trust),
    },
  }
}

function start(config: Cluster) {
  const { secrets, asked } = secretStore()
  const wheel = new TimerWheel(systemClock, 10)
  return { runtime: new ClusterRuntime(config, { clock: systemClock, wheel, random: () => 0.5, secrets }), asked }
}

const PORTS = [1, 2]

const withCertificate = (certificate: UpstreamTls['certificate']): Cluster =>
  cluster('called', PORTS, {
    tls: {
      certificate,
      validation: { trust: undefined, subjectAltNames: [] },
      sni: undefined,
      alpn: [],
      minVersion: 'TLSv1.2',
      maxVersion: undefined,
      cipherSuites: undefined,
    },
  })

test('a cluster that nobody called shows its endpoints all the same, and follows updates', () => {
  const { runtime } = start(cluster('idle', PORTS))
  const shown = () => runtime.status().endpoints.map(({ address, health }) => `${address} ${health}`)
  assert.deepEqual(shown(), ['127.0.0.1:1 healthy', '127.0.0.1:2 healthy'])
  runtime.update(cluster('idle', [3]))
  assert.deepEqual(shown(), ['127.0.0.1:3 healthy'])
  assert.equal(runtime.pick(undefined, 0)?.config.address.port, 3)
  runtime.update(cluster('idle', [4]))
  assert.equal(runtime.pick(undefined, 0)?.config.address.port, 4)
  assert.deepEqual(shown(), ['127.0.0.1:4 healthy'])
})

test('a removed cluster that was never called has no endpoints left', () => {
  const { runtime } = start(cluster('idle', PORTS))
  runtime.retire()
  assert.equal(runtime.pick(undefined, 0), undefined)
  assert.deepEqual(runtime.status().endpoints, [])
})

test('a certificate from the control plane is asked for with the first call, one from a file at once', () => {
  const fromControlPlane = start(withCertificate({ kind: 'sds', name: 'default' }))
  assert.deepEqual(fromControlPlane.asked, [])
  fromControlPlane.runtime.pick(undefined, 0)
  assert.deepEqual(fromControlPlane.asked, ['sds'])
  assert.deepEqual(start(withCertificate({ kind: 'files', chainPath: 'chain.pem', keyPath: 'key.pem' })).asked, ['files'])
})
