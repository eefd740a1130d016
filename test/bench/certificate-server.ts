// The certificate authority of the bench, in a process of its own that certificates.ts pins to one processor: the product's authority, join
// tokens on disk, rate limit and audit log, behind its gRPC server over TLS. The parent asks for tokens and for the CPU time spent.
import { createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../src/base/clock.ts'
import { createLogger } from '../../src/base/log.ts'
import { systemRandom } from '../../src/base/random.ts'
import { openCertificates } from '../../src/bin/control-plane/certificates.ts'
import { workloadSpiffeId } from '../../src/identity/spiffe-id.ts'
import { startGrpcServer } from '../../src/xds/serve/grpc-server.ts'

export type CertificateOrder = { readonly do: 'tokens'; readonly count: number } | { readonly do: 'usage' } | { readonly do: 'bare' }

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
  if (order.do === 'bare') {
    process.send?.({ bareUs: bareCryptoUs() })
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

/** CPU time of what no authority can leave out, on this machine now: reading a key, verifying a signature with it, signing. */
function bareCryptoUs(): number {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const spki = publicKey.export({ type: 'spki', format: 'der' })
  const data = Buffer.alloc(300, 7)
  const signature = sign('sha256', data, privateKey)
  const rounds = 1000
  const before = process.cpuUsage()
  for (let round = 0; round < rounds; round++) {
    verify('sha256', data, createPublicKey({ key: spki, format: 'der', type: 'spki' }), signature)
    sign('sha256', data, privateKey)
  }
  const { user, system } = process.cpuUsage(before)
  return (user + system) / rounds
}
