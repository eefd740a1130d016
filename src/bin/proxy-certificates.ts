// This proxy's certificate manager from its options: whose certificate, which CA, by what it proves who it is. Called by proxy-process.ts.
import { readFileSync } from 'node:fs'
import { errorMessage } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import { Redacted } from '../base/redacted.ts'
import { formatProblems } from '../base/result.ts'
import type { XdsTarget } from '../proxy/ads/xds-channel.ts'
import { grpcCaClient } from '../proxy/certs/ca-client.ts'
import { CertificateManager } from '../proxy/certs/certificate-manager.ts'
import type { LocalSecretStore } from '../proxy/certs/local-secret-store.ts'
import { readTokenFile } from '../proxy/certs/token-file.ts'
import { workloadIdentity } from './proxy-identity.ts'
import type { CaOptions } from './proxy-options.ts'
import type { ProxyParts } from './proxy-parts.ts'

/** Istio's agents ask for this; the CA decides. */
const CERTIFICATE_LIFETIME_MS = 24 * 3_600_000

/** Undefined: there is no CA to ask. A sentence: the node has no identity. */
export function createCertificates(
  { options, clock, random, log, codec, loaded }: ProxyParts,
  secrets: LocalSecretStore,
  target: XdsTarget | undefined,
): CertificateManager | string | undefined {
  const { ca } = options
  if (ca === undefined) return undefined
  const id = workloadIdentity(loaded.bootstrap.node, ca.trustDomain)
  if (!id.ok) return `the node's identity: ${formatProblems(id.problems)}`
  const { tokenPath } = ca
  const serverName = ca.name ?? (target?.host === ca.host && target.port === ca.port ? target.cluster.tls?.sni : undefined)
  return new CertificateManager({
    id: id.value,
    ca: grpcCaClient({ host: ca.host, port: ca.port, serverName, lifetimeMs: CERTIFICATE_LIFETIME_MS, codec, clock }),
    joinToken: readJoinToken(ca, log),
    readToken: tokenPath === undefined ? undefined : () => readTokenFile(tokenPath),
    roots: secrets.roots({ kind: 'file', path: ca.rootPath }),
    store: secrets,
    stateFolder: ca.stateFolder,
    clock,
    random,
    log,
  })
}

function readJoinToken(ca: CaOptions, log: Logger): Redacted<string> | undefined {
  if (ca.joinTokenPath === undefined) return undefined
  try {
    return new Redacted(readFileSync(ca.joinTokenPath, 'utf8').trim())
  } catch (error) {
    // A restart with a saved certificate needs none; the certificate manager says so if it does.
    log.warn('cannot read the join token', { file: ca.joinTokenPath, problem: errorMessage(error) })
    return undefined
  }
}
