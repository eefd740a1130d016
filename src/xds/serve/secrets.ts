// Puts users' keys and certificates into what a gateway is served: for the names that its configuration declares, from the namespace that
// its certificate proves, and for nobody else. Called by ads-server.ts for every client, just before anything is sent.
// Only who is a gateway in the mesh's eyes comes here as a router: admission has compared it.
// Invariants: what was declared has no content, so a client without credentials gets none; a credential that is missing or malformed is
// a resource that does not exist; while no credential changes, the answer is the same object.
import { contentHash } from '../../base/content-hash.ts'
import { fullCodec } from '../../envoy/full-codec.ts'
import type { Secret } from '../../envoy/generated/messages.gen.ts'
import { parseCredentialSecretName } from '../../envoy/names.ts'
import { SECRET_TYPE } from '../../envoy/type-urls.ts'
import { type Credential, type CredentialAnswer, usableCredential } from '../../identity/credential.ts'
import { type EncodedResource, NO_RESOURCES, type ServedResources } from '../generate/resources.ts'
import type { ProxyNode } from '../view/proxy-node.ts'

/** The same object as long as it has not changed. The account is the one that the caller's certificate is for. */
export type CredentialOf = (namespace: string, name: string, serviceAccount: string) => CredentialAnswer

export interface SecretReader extends Pick<ProxyNode, 'namespace' | 'type'> {
  readonly serviceAccount: string
}

/** Undefined: of some of them it is not known yet whether they are there; told 'there is none', a gateway would close what it serves. */
export type AddSecrets = (served: ServedResources, reader: SecretReader) => ServedResources | undefined

/** One per server: remembers what it has made. */
export function createSecrets(credentialOf: CredentialOf): AddSecrets {
  const made = new WeakMap<ServedResources, { readonly found: ReadonlyMap<string, EncodedResource>; readonly served: ServedResources }>()
  const encoded = new WeakMap<Credential, Map<string, EncodedResource>>()

  const secretOf = (name: string, { namespace, serviceAccount }: SecretReader): EncodedResource | 'pending' | undefined => {
    const ref = parseCredentialSecretName(name)
    if (ref === undefined) return undefined
    for (const secret of ref.secrets) {
      const answer = credentialOf(namespace, secret, serviceAccount)
      if (answer === 'pending') return answer
      const credential = usableCredential(answer)
      if (credential === undefined || !(ref.part === 'pair' || holdsAuthorities(credential))) continue
      const known = encoded.get(credential) ?? new Map<string, EncodedResource>()
      encoded.set(credential, known)
      const resource = known.get(name) ?? encode(name, ref.part, credential)
      if (resource !== undefined) known.set(name, resource)
      return resource
    }
    return undefined
  }

  return (served, reader) => {
    const declared = served.get(SECRET_TYPE)
    if (declared === undefined || declared.own.size === 0) return served
    const found = new Map<string, EncodedResource>()
    // All are asked for, so that what is not known of several is learned at once.
    let isPending = false
    for (const name of reader.type === 'router' ? declared.own.keys() : []) {
      const resource = secretOf(name, reader)
      if (resource === 'pending') isPending = true
      else if (resource !== undefined) found.set(name, resource)
    }
    if (isPending) return undefined
    const before = made.get(served)
    if (before !== undefined && isSame(before.found, found)) return before.served
    const full: ServedResources = new Map([...served, [SECRET_TYPE, { shared: NO_RESOURCES, own: found }]])
    made.set(served, { found, served: full })
    return full
  }
}

/** Broken ones too: authorities that were meant must not be taken from elsewhere. */
function holdsAuthorities({ authoritiesPem, authoritiesProblem }: Credential): boolean {
  return authoritiesPem !== undefined || authoritiesProblem !== undefined
}

function encode(name: string, part: 'pair' | 'authorities', { pair, authoritiesPem }: Credential): EncodedResource | undefined {
  const content = part === 'pair' ? pairContent(pair) : authoritiesContent(authoritiesPem)
  if (content === undefined) return undefined
  const bytes = fullCodec.encode('envoy.extensions.transport_sockets.tls.v3.Secret', { name, ...content })
  return { version: contentHash(bytes), bytes }
}

function pairContent(pair: Credential['pair']): Secret | undefined {
  if (pair === undefined) return undefined
  const { chainPem, keyPem } = pair
  return { tlsCertificate: { certificateChain: { inlineString: chainPem }, privateKey: { inlineString: keyPem.reveal() } } }
}

function authoritiesContent(pem: string | undefined): Secret | undefined {
  return pem === undefined ? undefined : { validationContext: { trustedCa: { inlineString: pem } } }
}

function isSame(a: ReadonlyMap<string, EncodedResource>, b: ReadonlyMap<string, EncodedResource>): boolean {
  return a.size === b.size && [...a].every(([name, resource]) => b.get(name) === resource)
}
