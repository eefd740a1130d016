// The certificate authority of the bench, in a process of its own that certificates.ts pins to one processor: the product's authority, join
// tokens on disk, rate limit and audit log, behind its gRPC server over TLS. The parent asks for tokens and for the CPU time spent.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../src/base/clock.ts'
import { createLogger } from '../../src/base/log.ts'
import { systemRandom } from '../../src/base/random.ts'
import { openCertificates } from '../../src/bin/control-plane/certificates.ts'
import { workloadSpiffeId } from '../../src/identity/spiffe-id.ts'
import { startGrpcServer } from '../../src/xds/serve/grpc-server.ts'

export type CertificateOrder = { readonly do: 'tokens'; readonly count: number } | { readonly do: 'usage' }

const folder = mkdtempSync(join(tmpdir(), 'lateen-bench-ca-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
let auditLines = 0
const log = createLogger({ level: 'info', format: 'text', write: () => void auditLines++, nowMs: () => systemClock.nowMs() })
const certificates = openCertificates({
  ...{ stateFolder: folder, cacertsFolder: join(folder, 'cacerts'), tokensFile: join(folder, 'ca', 'join-tokens.json') },
  ...{ trustDomain: 'cluster.local', maxValidityMs: undefined, rootSpreadMs: undefined, recordRoots: () => undefined },
  clock: systemClock,
  log,
})
const server = await startGrpcServer({
  ...{ host: '127.0.0.1', port: 0, tls: certificates.tls, services: [certificates.service] },
  ...{ clock: systemClock, random: systemRandom },
})
process.on('message', (order: CertificateOrder) => void answer(order))
process.on('disconnect', () => process.exit(0))
process.send?.({ port: server.port, rootsPem: certificates.rootsPem })

async function answer(order: CertificateOrder): Promise<void> {
  if (order.do === 'usage') {
    const { user, system } = process.cpuUsage()
    process.send?.({ cpuUs: user + system, auditLines })
    return
  }
  const tokens = await Promise.all(Array.from({ length: order.count }, (_, index) => token(index)))
  process.send?.({ tokens })
}

async function token(index: number): Promise<string> {
  const identity = workloadSpiffeId({ trustDomain: 'cluster.local', namespace: 'bench', serviceAccount: `account-${index}` })
  const minted = identity.ok ? await certificates.tokens.mint(identity.value, 600_000) : identity
  if (!minted.ok) throw new Error(minted.problems[0]?.message)
  return minted.value
}
