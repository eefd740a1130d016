// The certificate service as a control plane on Kubernetes runs it, over TLS on a real port, and workloads that ask it with the sidecar's own
// client. The API server is the test's: a fake one, or a real cluster's.
import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import type { TestContext } from 'node:test'
import { systemClock } from '../../src/base/clock.ts'
import { silentLogger } from '../../src/base/log.ts'
import { systemRandom } from '../../src/base/random.ts'
import { Redacted } from '../../src/base/redacted.ts'
import type { Result } from '../../src/base/result.ts'
import { Watchable } from '../../src/base/watchable.ts'
import { certificatesOf } from '../../src/bin/control-plane/certificates.ts'
import { clusterNames } from '../../src/bin/control-plane/own-certificate.ts'
import type { Authority } from '../../src/ca/authority.ts'
import { openClusterAuthority } from '../../src/ca/cluster-authority.ts'
import { createTokenReviews } from '../../src/ca/token-review.ts'
import { fullCodec } from '../../src/envoy/full-codec.ts'
import { buildCsr } from '../../src/identity/csr.ts'
import { parseSpiffeId } from '../../src/identity/spiffe-id.ts'
import type { KubeClient } from '../../src/kube/client.ts'
import { grpcCaClient } from '../../src/proxy/certs/ca-client.ts'
import { startGrpcServer } from '../../src/xds/serve/grpc-server.ts'

export interface ClusterCa {
  readonly authority: Authority
  readonly rootsPem: string
  /** @param proof a token, or what was issued before. */
  ask(account: string, proof: string | Issued): Promise<Result<Issued>>
}

export interface Issued {
  readonly chain: readonly string[]
  readonly keyPem: string
}

export async function startClusterCa(t: TestContext, client: KubeClient, namespace: string): Promise<ClusterCa> {
  const shared = { trustDomain: 'cluster.local', clock: systemClock, log: silentLogger }
  const authority = await openClusterAuthority({
    ...{ ...shared, client, namespace, isLeader: new Watchable(true), random: systemRandom, maxValidityMs: 86_400_000 },
  })
  const certificates = certificatesOf({
    ...{ ...shared, authority, maxValidityMs: undefined, recordRoots: () => undefined },
    reviews: createTokenReviews({ client, ...shared }),
    names: clusterNames({ trustDomain: 'cluster.local', service: 'lateen-control-plane', namespace }),
  })
  const server = await startGrpcServer({
    ...{ host: '127.0.0.1', port: 0, tls: certificates.tls, services: [certificates.service], clock: systemClock, random: systemRandom },
  })
  t.after(() => {
    server.close()
    certificates.stop()
  })
  const ca = grpcCaClient({
    ...{ host: '127.0.0.1', port: server.port, serverName: `lateen-control-plane.${namespace}.svc` },
    ...{ lifetimeMs: 3_600_000, codec: fullCodec, clock: systemClock },
  })
  return {
    authority,
    rootsPem: certificates.rootsPem,
    async ask(account, proof) {
      const id = parseSpiffeId(`spiffe://cluster.local/ns/${namespace}/sa/${account}`)
      if (!id.ok) return id
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      const keyPem = String(privateKey.export({ type: 'pkcs8', format: 'pem' }))
      const by =
        typeof proof === 'string'
          ? ({ kind: 'token', token: new Redacted(proof) } as const)
          : ({ kind: 'certificate', pair: { chainPem: proof.chain.slice(0, -1).join(''), keyPem: proof.keyPem } } as const)
      const chain = await ca.sign(buildCsr(id.value, createPrivateKey(keyPem)), by, certificates.rootsPem)
      return chain.ok ? { ok: true, value: { chain: chain.value, keyPem } } : chain
    },
  }
}
