// Kubernetes' kinds that have no spec: their fields stand beside the metadata, and the mesh keeps them under `spec`, as of every other kind.
// Called by check-object.ts and by the Kubernetes source. Invariant: what has a spec stays as it is.

const WITHOUT_SPEC: ReadonlySet<unknown> = new Set(['EndpointSlice'])

export function withSpec(value: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  if (!WITHOUT_SPEC.has(value.kind) || value.spec !== undefined) return value
  const { apiVersion, kind, metadata, ...spec } = value
  return { apiVersion, kind, metadata, spec }
}
