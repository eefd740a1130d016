// A user's TLS credential as Kubernetes keeps it: a Secret's values become a key pair, authorities, or a sentence that says what is wrong.
// Read where Secrets come in (the composition roots) and handed to xds/serve, which gives it to gateways, and to those who write Findings.
// Invariant: a pair is there only when its key belongs to its certificate; the key is in no text that anybody prints.
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { errorMessage } from '../base/errors.ts'
import { Redacted } from '../base/redacted.ts'

export interface Credential {
  readonly pair: { readonly chainPem: string; readonly keyPem: Redacted<string> } | undefined
  /** Why there is no pair, where something looks like one. */
  readonly pairProblem: string | undefined
  /** Who signs peers. */
  readonly authoritiesPem: string | undefined
  readonly authoritiesProblem: string | undefined
}

/** What is known of a name. 'pending': not yet; refused: whatever it is, it is not for who asks; undefined: there is no such secret. */
export type CredentialAnswer = Credential | RefusedCredential | 'pending' | undefined

export interface RefusedCredential {
  /** Goes on after the secret's name: 'may not be read by ...'. */
  readonly refused: string
}

/** Undefined: there is none to use, now. */
export function usableCredential(answer: CredentialAnswer): Credential | undefined {
  return answer === undefined || answer === 'pending' || 'refused' in answer ? undefined : answer
}

/** Keys of kubernetes.io/tls, then Istio's generic form. */
const PAIRS = [
  ['tls.crt', 'tls.key'],
  ['cert', 'key'],
] as const
const AUTHORITIES = ['ca.crt', 'cacert'] as const

/** @param data values as they are meant, not in base64. */
export function readCredential(data: Readonly<Record<string, string>>): Credential {
  const [chain, key] = PAIRS.find(([certificate]) => filled(data[certificate])) ?? PAIRS.find(([, name]) => filled(data[name])) ?? PAIRS[0]
  const pair = readPair(data, chain, key)
  const authorities = AUTHORITIES.find((name) => filled(data[name]))
  const authoritiesPem = authorities === undefined ? undefined : data[authorities]
  const authoritiesProblem = authorities === undefined ? undefined : whyNoAuthorities(authoritiesPem ?? '', authorities)
  return {
    ...('problem' in pair ? { pair: undefined, pairProblem: pair.problem } : { pair, pairProblem: undefined }),
    authoritiesPem: authoritiesProblem === undefined ? authoritiesPem : undefined,
    authoritiesProblem,
  }
}

function filled(value: string | undefined): boolean {
  return value !== undefined && value !== ''
}

function readPair(
  data: Readonly<Record<string, string>>,
  chain: string,
  key: string,
): { readonly chainPem: string; readonly keyPem: Redacted<string> } | { readonly problem: string } {
  const [chainPem = '', keyPem = ''] = [data[chain], data[key]]
  if (chainPem === '' && keyPem === '') return { problem: 'it has neither tls.crt and tls.key nor cert and key' }
  if (chainPem === '' || keyPem === '')
    return { problem: `it has ${chainPem === '' ? key : chain} but no ${chainPem === '' ? chain : key}` }
  let leaf: X509Certificate
  try {
    leaf = new X509Certificate(chainPem)
  } catch {
    return { problem: `${chain} is no certificate in PEM` }
  }
  try {
    // OpenSSL's own words could quote what they read.
    const isOwn = leaf.checkPrivateKey(createPrivateKey(keyPem))
    return isOwn
      ? { chainPem, keyPem: new Redacted(keyPem) }
      : { problem: `the key in ${key} does not belong to the certificate in ${chain}` }
  } catch {
    return { problem: `${key} is no unencrypted private key in PEM` }
  }
}

/** Users' files have comments between certificates. */
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

function whyNoAuthorities(pem: string, name: string): string | undefined {
  try {
    const blocks = pem.match(CERTIFICATE)
    if (blocks === null) return `${name} has no certificate in PEM`
    for (const block of blocks) new X509Certificate(block)
    return undefined
  } catch (error) {
    return `${name} cannot be read: ${errorMessage(error)}`
  }
}
