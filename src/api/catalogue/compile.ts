// LTN0200-0299: objects against each other. Produced by operator/compile.
import type { CatalogueEntry } from './entry.ts'

export const compileCatalogue = {
  LTN0201: {
    severity: 'error',
    title: 'A route names a host that does not exist',
    what: "no service '{host}' is known{suggestion}",
    why: 'Requests on this route are answered 503 (no cluster).',
    fix: 'Correct the host, or create the Service.',
    example: 'spec: {hosts: [reviews], http: [{route: [{destination: {host: reviws}}]}]}',
  },
  LTN0202: {
    severity: 'error',
    title: 'A route names a subset that does not exist',
    what: "no DestinationRule for '{host}' has a subset '{subset}'{suggestion}",
    why: 'Requests on this route are answered 503 (no cluster).',
    fix: 'Correct the subset, or add it to the DestinationRule.',
    example: 'spec: {hosts: [reviews], http: [{route: [{destination: {host: reviews, subset: v9}}]}]}',
  },
  LTN0203: {
    severity: 'error',
    title: 'A destination needs a port',
    what: "'{host}' has several ports ({ports}), and the destination names none",
    why: 'It is unclear which port is meant; requests on this route are answered 503.',
    fix: 'Add destination.port.number.',
    example: 'spec: {hosts: [reviews], http: [{route: [{destination: {host: reviews}}]}]}  # reviews has two ports',
  },
  LTN0204: {
    severity: 'warning',
    title: 'A subset selects no workload',
    what: "the subset '{subset}' of '{host}' selects no workload",
    why: 'Requests for the subset are answered 503 (no healthy upstream).',
    fix: "Correct the subset's labels, or start workloads that carry them.",
    example: 'spec: {host: reviews, subsets: [{name: v9, labels: {version: v9}}]}',
  },
  LTN0205: {
    severity: 'error',
    title: 'Two objects claim the same thing',
    what: '{what} is already claimed by {winner}, which is older and wins',
    why: 'Only one of them can be in force.',
    fix: 'Merge the two objects, or remove one.',
    example: '# two VirtualServices with hosts: [reviews]',
  },
} as const satisfies Readonly<Record<string, CatalogueEntry>>
