// May this caller be served as this node? The certificate says who it is, the node says for whom it asks; they must agree, or one
// workload could read another's configuration. Called once per stream by ads-stream.ts. Pure.
import { fail, type Result, succeed } from '../../base/result.ts'
import { type Trust, verifyPeer } from '../../identity/peer.ts'
import { type SpiffeId, workloadIdentityOf, workloadSpiffeId } from '../../identity/spiffe-id.ts'
import type { ProxyNode } from '../view/proxy-node.ts'
import type { GrpcCaller } from './grpc-call.ts'

type Peer = Pick<GrpcCaller, 'peerCertificate' | 'peerChain'>

/** The caller's identity. Fails when TLS did not verify a certificate of this mesh. */
export function identifyPeer({ peerCertificate, peerChain }: Peer, trust: Trust, nowMs: number): Result<SpiffeId> {
  if (peerCertificate === undefined) {
    return fail('certificate', 'xDS is served to holders of a certificate of this mesh only; get one from the certificate service first')
  }
  return verifyPeer(peerCertificate, trust, nowMs, peerChain)
}

/** Why this identity may not be served as this node, or undefined. */
export function whyNotNode(identity: SpiffeId, node: ProxyNode): string | undefined {
  const workload = workloadIdentityOf(identity)
  if (workload === undefined) return `the certificate is for ${identity}, which is no workload`
  if (workload.namespace !== node.namespace) {
    return `the node id says namespace '${node.namespace}', but the certificate is for ${identity}`
  }
  if (node.serviceAccount !== '' && node.serviceAccount !== workload.serviceAccount) {
    return `the node's metadata says service account '${node.serviceAccount}', but the certificate is for ${identity}`
  }
  return undefined
}

export function agreeing(identity: Result<SpiffeId>, node: ProxyNode): Result<SpiffeId> {
  if (!identity.ok) return identity
  const why = whyNotNode(identity.value, node)
  return why === undefined ? succeed(identity.value) : fail('node', why)
}

/** For listeners without TLS: who the node says it is. */
export function claimedIdentity(node: ProxyNode, { trustDomain }: Trust): Result<SpiffeId> {
  return workloadSpiffeId({ trustDomain, namespace: node.namespace, serviceAccount: node.serviceAccount || 'default' })
}
