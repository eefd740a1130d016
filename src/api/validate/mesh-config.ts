// What the schema cannot say of a MeshConfig.
import type { MeshConfig } from '../generated/mesh-config.gen.ts'
import type { Report } from '../report.ts'
import { checkTlsParameters } from './cipher-suites.ts'

export function checkMeshConfig({ spec }: MeshConfig, report: Report): void {
  for (const field of ['meshMTLS', 'tlsDefaults'] as const) {
    const tls = spec[field]
    if (tls !== undefined) checkTlsParameters(tls, ['spec', field], report)
  }
  const normalization = spec.pathNormalization?.normalization
  if (normalization === 'DECODE_AND_MERGE_SLASHES') {
    const meanwhile = 'they merge slashes, and pass %2F and %5C on as they are'
    report('LTN0121', ['spec', 'pathNormalization', 'normalization'], { field: `'${normalization}'`, meanwhile })
  }
}
