// What of the credentials that Gateways name their gateways cannot use, as Findings. Asked by the composition root when Gateways, gateways
// or Secrets have changed; no pass of the compiler, because where those run no Secret is known.
// Invariant: a Finding says what a secret lacks, never what it holds.
import { type Finding, finding } from '../../api/finding.ts'
import type { Gateway, Server } from '../../api/generated/gateway.gen.ts'
import { type CredentialAnswer, usableCredential } from '../../identity/credential.ts'
import { serverTlsOf } from './gateways.ts'

/** A workload that serves Gateways. */
export interface GatewayWorkload {
  readonly namespace: string
  readonly serviceAccount: string
  readonly labels: Readonly<Record<string, string>>
}

/** What a workload of this account gets. Nothing is said of what is not known yet. */
export type FindCredential = (namespace: string, name: string, serviceAccount: string) => CredentialAnswer

export function gatewayCredentialFindings(
  gateways: Iterable<Gateway>,
  workloads: readonly GatewayWorkload[],
  find: FindCredential,
): readonly Finding[] {
  return [...gateways].flatMap((object) => {
    const selector = Object.entries(object.spec.selector ?? {})
    const serving = workloads.filter(({ labels }) => selector.every(([key, value]) => labels[key] === value))
    const readers = new Map(serving.map((each) => [`${each.namespace}/${each.serviceAccount}`, each]))
    const found = [...readers.keys()].sort().flatMap((key) => {
      const { namespace = '', serviceAccount = '' } = readers.get(key) ?? {}
      return (object.spec.servers ?? []).flatMap((server, index) =>
        missingOf(server, (name) => find(namespace, name, serviceAccount)).map(({ field, ...values }) =>
          finding('LTN0235', object, `spec.servers[${index}].tls.${field}`, { namespace, ...values }),
        ),
      )
    })
    // Two accounts of a namespace lack the same secret in the same words.
    return [...new Map(found.map((each) => [`${each.path} ${each.message}`, each])).values()]
  })
}

interface Missing {
  readonly field: string
  readonly secret: string
  readonly problem: string
}

function missingOf({ tls, port }: Server, find: (name: string) => CredentialAnswer): readonly Missing[] {
  const compiled = ['HTTPS', 'TLS'].includes(port.protocol.toUpperCase()) ? serverTlsOf(tls) : undefined
  if (compiled === undefined || !('certificates' in compiled)) return []
  const { certificates, authorities } = compiled
  const isOne = (tls?.credentialName ?? '') !== ''
  const pairs = certificates.flatMap((each, index): readonly Missing[] => {
    if (each.kind !== 'secret') return []
    const problem = whyNoPair(find(each.name))
    return problem === undefined ? [] : [{ field: isOne ? 'credentialName' : `credentialNames[${index}]`, secret: each.name, problem }]
  })
  if (authorities?.kind !== 'secret') return pairs
  const { name, isSaid } = authorities
  const beside = isSaid ? undefined : certificates.find((each) => each.kind === 'secret')?.name
  const problem = whyNoAuthorities([name, ...(beside === undefined ? [] : [beside])].map(find))
  const field = isSaid ? 'caCertCredentialName' : isOne ? 'credentialName' : 'credentialNames[0]'
  return problem === undefined ? pairs : [...pairs, { field, secret: name, problem }]
}

function whyNoPair(answer: CredentialAnswer): string | undefined {
  if (answer === undefined) return 'does not exist'
  if (answer === 'pending') return undefined
  return 'refused' in answer ? answer.refused : answer.pairProblem
}

/** As they are looked for when they are served: the first secret that holds some. */
function whyNoAuthorities(candidates: readonly CredentialAnswer[]): string | undefined {
  const holder = candidates
    .map(usableCredential)
    .find((each) => each?.authoritiesPem !== undefined || each?.authoritiesProblem !== undefined)
  if (holder !== undefined) return holder.authoritiesProblem
  if (candidates.includes('pending')) return undefined
  const [first] = candidates
  if (first !== undefined && first !== 'pending') return 'refused' in first ? first.refused : 'has no authorities (ca.crt)'
  return candidates.length > 1 ? 'does not exist, and there are no authorities (ca.crt) beside the certificate' : 'does not exist'
}
