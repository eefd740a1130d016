// What the schema cannot say of a MeshConfig.
import type { MeshConfig } from '../generated/mesh-config.gen.ts'
import type { Report } from '../report.ts'
import { checkTlsParameters } from './cipher-suites.ts'

export function checkMeshConfig({ spec }: MeshConfig, report: Report): void {
  for (const field of ['meshMTLS', 'tlsDefaults'] as const) {
    const tls = spec[field]
    if (tls !== undefined) checkTlsParameters(tls, ['spec', field], report)
  }
}
