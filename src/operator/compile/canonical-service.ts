// Istio's canonical service, which metrics and telemetry group by. Used by endpoints.ts and fixed-endpoints.ts.

interface Labelled {
  readonly labels: Readonly<Record<string, string>>
  readonly name: string
}

/** Label service.istio.io/canonical-name, else app.kubernetes.io/name, else app, else the workload. */
export function canonicalName({ labels, name }: Labelled): string {
  return labels['service.istio.io/canonical-name'] ?? labels['app.kubernetes.io/name'] ?? labels.app ?? name
}

export function canonicalRevision({ labels }: Pick<Labelled, 'labels'>): string {
  return labels['service.istio.io/canonical-revision'] ?? labels['app.kubernetes.io/version'] ?? labels.version ?? 'latest'
}
