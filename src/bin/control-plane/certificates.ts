// The certificate authority of a control plane, put together: what signs, who may ask, its own certificate, its service, what it reports.
// Opened by start.ts. Invariant: the file of roots, the server's trust and what is handed out with certificates are one bundle.
import type { Finding } from '../../api/finding.ts'
import type { Clock, Timer } from '../../base/clock.ts'
import type { Logger } from '../../base/log.ts'
import { type ReadonlyWatchable, Watchable } from '../../base/watchable.ts'
import { type Authority, openAuthority } from '../../ca/authority.ts'
import { caTroubles } from '../../ca/ca-health.ts'
import { createCaMetrics, formatCaMetrics } from '../../ca/ca-metrics.ts'
import { createIssuer, LEAF_VALIDITY_MS } from '../../ca/issuer.ts'
import { type JoinTokens, openJoinTokens } from '../../ca/join-tokens.ts'
import { createRateLimit } from '../../ca/rate-limit.ts'
import { signService } from '../../ca/sign-service.ts'
import type { TokenReviews } from '../../ca/token-review.ts'
import { fullCodec } from '../../envoy/full-codec.ts'
import { CREATE_CERTIFICATE_PATH } from '../../envoy/type-urls.ts'
import type { CertificateFacts } from '../../identity/certificate.ts'
import type { Trust } from '../../identity/peer.ts'
import type { SubjectAltName } from '../../identity/x509.ts'
import type { GrpcServerOptions, GrpcService } from '../../xds/serve/grpc-server.ts'
import { caFindings, createCaFindingSayer } from './ca-findings.ts'
import { controlPlaneNames, keepOwnCertificate } from './own-certificate.ts'

export interface CertificatesOptions extends SharedOptions {
  readonly stateFolder: string
  readonly cacertsFolder: string
  readonly tokensFile: string
  readonly rootSpreadMs: number | undefined
}

interface SharedOptions {
  readonly trustDomain: string
  readonly maxValidityMs: number | undefined
  /** Puts the roots where applications and starting sidecars read them. */
  readonly recordRoots: (pem: string) => void
  readonly clock: Clock
  readonly log: Logger
}

export interface AuthorityCertificatesOptions extends SharedOptions {
  /** What signs; stopped with the rest. */
  readonly authority: Authority
  /** How workloads without a certificate prove who they are. */
  readonly tokens?: JoinTokens
  readonly reviews?: TokenReviews
  /** Of the control plane's own server. */
  readonly names: readonly SubjectAltName[]
}

export interface Certificates {
  readonly authority: Authority
  readonly service: GrpcService
  readonly tls: NonNullable<GrpcServerOptions['tls']>
  /** What is trusted now. */
  readonly trust: () => Trust
  readonly rootsPem: string
  /** The same, for whoever spreads them. */
  readonly roots: ReadonlyWatchable<string>
  metrics(): string
  findings(): readonly Finding[]
  /** Former names of the trust domain, from the configuration of now. */
  setAliases(aliases: readonly string[]): void
  stop(): void
}

/** What ends is looked at as often. */
const CHECK_MS = 3_600_000
const MAX_KNOWN_AUTHORITIES = 16

/** Standalone: the authority is in the state folder, workloads join with tokens of ours. */
export function openCertificates(options: CertificatesOptions): Certificates & { readonly tokens: JoinTokens } {
  const { clock, trustDomain, maxValidityMs = LEAF_VALIDITY_MS, rootSpreadMs } = options
  const authority = openAuthority({ ...options, maxValidityMs, ...(rootSpreadMs === undefined ? {} : { spreadMs: rootSpreadMs }) })
  const tokens = openJoinTokens(options.tokensFile, clock)
  // Not spread into a new object, which would freeze what it answers.
  return Object.assign(certificatesOf({ ...options, authority, tokens, names: controlPlaneNames(trustDomain) }), { tokens })
}

/** For any authority: on Kubernetes one in Secrets, whose workloads join with ServiceAccount tokens. */
export function certificatesOf(options: AuthorityCertificatesOptions): Certificates {
  const { clock, log, trustDomain, maxValidityMs = LEAF_VALIDITY_MS, authority, tokens, reviews } = options
  const { bundle, issuing } = authority
  const rootsPem = new Watchable(bundle.value.pem)
  options.recordRoots(rootsPem.value)
  const authoritiesOf = createKnownAuthorities()
  let aliases: readonly string[] = []
  const trustNow = (): Trust => ({ trustDomain, aliases, bundle: bundle.value, authorities: authoritiesOf(authority) })
  let trust = trustNow()
  const issuer = createIssuer({ ca: () => issuing.value, rootsPem: () => rootsPem.value, clock, maxValidityMs })
  const own = keepOwnCertificate(issuer, options.names, clock)
  const metrics = createCaMetrics()
  const findings = (): readonly Finding[] => caFindings(caTroubles(authority, clock.nowMs()))
  const say = createCaFindingSayer(log)
  let timer: Timer | undefined
  const check = (): void => {
    say(findings())
    timer = clock.after(CHECK_MS, check, { background: true })
  }
  check()
  bundle.watch(() => {
    // The file first: whoever is handed a certificate of a new root finds the root there.
    options.recordRoots(bundle.value.pem)
    rootsPem.set(bundle.value.pem)
    trust = trustNow()
  })
  issuing.watch(() => {
    trust = trustNow()
    own.renew()
  })
  const codec = {
    path: CREATE_CERTIFICATE_PATH,
    decodeRequest: (bytes: Buffer) => fullCodec.decode('istio.v1.auth.IstioCertificateRequest', bytes, { onUnsupported: () => undefined }),
    encodeResponse: (response: { readonly certChain: readonly string[] }) =>
      fullCodec.encode('istio.v1.auth.IstioCertificateResponse', response),
  }
  const rateLimit = createRateLimit({ clock })
  return {
    service: signService({ issuer, tokens, reviews, trust: () => trust, rateLimit, clock, metrics, log }, codec),
    authority,
    tls: { certificate: own.certificate, rootsPem },
    trust: () => trust,
    roots: rootsPem,
    get rootsPem() {
      return rootsPem.value
    },
    metrics() {
      const isRefused = authority.refused.length > 0
      return formatCaMetrics(metrics, { issuing: issuing.value, trustedRoots: bundle.value.roots.length, isRefused, nowMs: clock.nowMs() })
    },
    findings,
    setAliases(next) {
      if (next.length === aliases.length && next.every((alias, index) => alias === aliases[index])) return
      aliases = next
      trust = trustNow()
    },
    stop() {
      timer?.cancel()
      own.stop()
      authority.stop()
    },
  }
}

/** A resumed TLS session shows a leaf without its chain, so the authorities of earlier sets are remembered: they vouch for nothing, they
 *  only lead to a root. */
function createKnownAuthorities(): (authority: Authority) => readonly CertificateFacts[] {
  const known = new Map<string, CertificateFacts>()
  return ({ issuing, pending }) => {
    for (const facts of [...issuing.value.authorities, ...(pending?.set.authorities ?? [])]) {
      const key = facts.certificate.fingerprint256
      known.delete(key)
      known.set(key, facts)
    }
    for (const key of [...known.keys()].slice(0, -MAX_KNOWN_AUTHORITIES)) known.delete(key)
    return [...known.values()]
  }
}
