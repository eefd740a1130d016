// What to say of a Namespace: the labels that ask for sidecars.
import type { Namespace } from '../generated/namespace.gen.ts'
import type { Report } from '../report.ts'

export function checkNamespace({ metadata }: Namespace, report: Report): void {
  const injection = metadata.labels['istio-injection']
  const at = ['metadata', 'labels', 'istio-injection']
  if (injection === undefined) return
  if (injection !== 'enabled' && injection !== 'disabled') {
    report('LTN0147', at, { field: `istio-injection: ${injection}`, reason: "the values are 'enabled' and 'disabled'" })
  }
  // istio-injection wins over istio.io/rev, which surprises whoever upgrades by revision.
  if (metadata.labels['istio.io/rev'] !== undefined) {
    report(
      'LTN0147',
      ['metadata', 'labels', 'istio.io/rev'],
      { field: 'istio.io/rev', reason: 'the label istio-injection is there too, and wins' },
      'key',
    )
  }
}
