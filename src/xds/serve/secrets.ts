// Puts users' keys and certificates into what a gateway is served: for the names that its configuration declares, from the namespace that
// its certificate proves, and for nobody else. Called by ads-server.ts for every client, just before anything is sent.
// Invariants: what was declared has no content, so a client without credentials gets none; a credential that is missing or malformed is
// a resource that does not exist; while no credential changes, the answer is the same object.
import { contentHash } from '../../base/content-hash.ts'
import { fullCodec } from '../../envoy/full-codec.ts'
import type { Secret } from '../../envoy/generated/messages.gen.ts'
import { parseCredentialSecretName } from '../../envoy/names.ts'
import { SECRET_TYPE } from '../../envoy/type-urls.ts'
import type { Credential } from '../../identity/credential.ts'
import { type EncodedResource, NO_RESOURCES, type ServedResources } from '../generate/resources.ts'
import type { ProxyNode } from '../view/proxy-node.ts'

/** Undefined: there is no such secret. The same object as long as it has not changed. */
export type CredentialOf = (namespace: string, name: string) => Credential | undefined

export type AddSecrets = (served: ServedResources, node: Pick<ProxyNode, 'namespace' | 'type'>) => ServedResources

/** One per server: remembers what it has made. */
export function createSecrets(credentialOf: CredentialOf): AddSecrets {
  const made = new WeakMap<ServedResources, { readonly found: ReadonlyMap<string, EncodedResource>; readonly served: ServedResources }>()
  const encoded = new WeakMap<Credential, Map<string, EncodedResource>>()

  const secretOf = (name: string, namespace: string): EncodedResource | undefined => {
    const ref = parseCredentialSecretName(name)
    if (ref === undefined) return undefined
    for (const secret of ref.secrets) {
      const credential = credentialOf(namespace, secret)
      if (credential === undefined || !(ref.part === 'pair' || holdsAuthorities(credential))) continue
      const known = encoded.get(credential) ?? new Map<string, EncodedResource>()
      encoded.set(credential, known)
      const resource = known.get(name) ?? encode(name, ref.part, credential)
      if (resource !== undefined) known.set(name, resource)
      return resource
    }
    return undefined
  }

  return (served, { namespace, type }) => {
    const declared = served.get(SECRET_TYPE)
    if (declared === undefined || declared.own.size === 0) return served
    const found = new Map<string, EncodedResource>()
    for (const name of type === 'router' ? declared.own.keys() : []) {
      const resource = secretOf(name, namespace)
      if (resource !== undefined) found.set(name, resource)
    }
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
