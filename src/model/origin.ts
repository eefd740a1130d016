// Where a part of the mesh came from: the object and the field that a user wrote. Carried by everything that compile makes, printed into
// xDS metadata by xds/generate, so that every proxy can say why it does what it does.
// Invariant: an origin names an object that exists in the source, never one that was derived.

export interface Origin {
  readonly apiVersion: string
  readonly kind: string
  readonly namespace: string
  readonly name: string
}

/** A place inside an object: `spec.http[0].route[1]`. */
export interface FieldOrigin {
  readonly object: Origin
  readonly field: string
}

/** `VirtualService default/reviews`, for people. */
export function describeOrigin(origin: Origin): string {
  return `${origin.kind} ${origin.namespace}/${origin.name}`
}
