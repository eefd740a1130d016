// LTN0400-0499: the certificate authority itself. Not found in users' objects but in the authority's files, by the control plane while it
// runs (bin/control-plane/ca-findings.ts).
import type { CatalogueEntry } from './entry.ts'

export const certificateCatalogue = {
  LTN0401: {
    severity: 'error',
    title: 'A plugged-in CA that is not taken',
    what: "the certificate authority's files are not in force: {file}{reason}",
    why: 'Certificates are issued as before, from the files that were taken last; a restart would fail.',
    fix: 'Correct the file, or put the set back that was there before; the files are looked at again every two seconds.',
    example: '# <state>/cacerts/ca-key.pem is not the key of ca-cert.pem',
  },
  LTN0402: {
    severity: 'warning',
    title: 'A root or intermediate that expires soon',
    what: 'the {what} certificate (serial {serial}) expires in {days} days, at {when}',
    why: 'When it ends, no certificate below it is believed any more: every mutual TLS connection fails.',
    fix: 'Plug in a CA with a new one now: docs/certificates.md, "Changing the root".',
    example: '# <state>/cacerts/root-cert.pem ends in 29 days',
  },
  LTN0403: {
    severity: 'error',
    title: 'A root or intermediate that has expired',
    what: 'the {what} certificate (serial {serial}) expired at {when}',
    why: 'No certificate below it is believed any more: mutual TLS connections fail.',
    fix: 'Plug in a CA with a new one, or take the certificate out of the trusted roots: docs/certificates.md.',
    example: '# <state>/cacerts/ca-cert.pem ended yesterday',
  },
  LTN0404: {
    severity: 'warning',
    title: 'A revocation list that is not in force',
    what: 'ca-crl.pem is there, but revocation lists are not in force yet',
    why: 'Certificates that it revokes are still accepted, until they expire.',
    fix: 'Remove the file; certificates live for a day, so a stolen one ends by itself.',
    example: '# <state>/cacerts/ca-crl.pem',
  },
  LTN0405: {
    severity: 'info',
    title: 'Roots that are being dropped',
    what: 'roots that nothing is issued from any more are still trusted: {count}, until {when}',
    why: 'Workloads hold certificates below them, which end by then.',
    fix: 'Nothing: they are dropped by themselves.',
    example: '# <state>/cacerts was replaced by a set with another root',
  },
} as const satisfies Readonly<Record<string, CatalogueEntry>>
