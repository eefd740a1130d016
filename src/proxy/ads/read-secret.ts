// A Secret that the control plane sent, as TLS can use it. Called by resource-reader.ts, so that a broken one is refused by name.
// Invariant: whole and usable, or refused; problems never quote the content.
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { fail, type Result, succeed } from '../../base/result.ts'
import type { Secret } from '../../envoy/generated/messages.gen.ts'
import type { KeyPair } from '../certs/secret-store.ts'
import { inlineText } from '../config/decode-tls.ts'

export interface SecretContent {
  readonly pair: KeyPair | undefined
  readonly rootsPem: string | undefined
}

export function readSecret({ tlsCertificate, validationContext }: Secret): Result<SecretContent> {
  const rootsPem = inlineText(validationContext?.trustedCa)
  if (tlsCertificate === undefined) {
    if (rootsPem === undefined) return fail('', 'has neither an inline tls_certificate nor an inline validation_context.trusted_ca')
    const isPem = /-----BEGIN CERTIFICATE-----/.test(rootsPem)
    return isPem ? succeed({ pair: undefined, rootsPem }) : fail('validation_context.trusted_ca', 'is no certificate in PEM')
  }
  const [chainPem, keyPem] = [inlineText(tlsCertificate.certificateChain), inlineText(tlsCertificate.privateKey)]
  if (chainPem === undefined || keyPem === undefined) return fail('tls_certificate', 'certificate_chain and private_key must be inline')
  try {
    const isOwn = new X509Certificate(chainPem).checkPrivateKey(createPrivateKey(keyPem))
    if (!isOwn) return fail('tls_certificate', 'the key does not belong to the certificate')
  } catch {
    return fail('tls_certificate', 'the certificate or the key is not PEM')
  }
  return succeed({ pair: { chainPem, keyPem }, rootsPem })
}
