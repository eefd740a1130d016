// The chain that is shown to peers: what was given, and behind a lone leaf the root that issued it.
// OpenSSL completes a lone leaf from the trusted roots anyway, so a peer sees the same, but it searches and verifies the chain anew with every
// handshake (docs/decisions/a-new-mtls-connection.md has what that costs). Called where a secure context is made.
import { X509Certificate } from 'node:crypto'

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

/** Both PEM. A chain that names issuers, or whose issuer is not among the roots, stays as it is. */
export function presentedChain(chainPem: string, rootsPem: string | undefined): string {
  const [leafPem, ...issuers] = chainPem.match(CERTIFICATE) ?? []
  if (leafPem === undefined || issuers.length > 0 || rootsPem === undefined) return chainPem
  const leaf = new X509Certificate(leafPem)
  const issuer = (rootsPem.match(CERTIFICATE) ?? []).find((pem) => isIssuer(new X509Certificate(pem), leaf))
  return issuer === undefined ? chainPem : `${leafPem}\n${issuer}\n`
}

/** A root that was renewed keeps its name: the signature says which of two it was. */
function isIssuer(root: X509Certificate, leaf: X509Certificate): boolean {
  return leaf.checkIssued(root) && leaf.verify(root.publicKey)
}
