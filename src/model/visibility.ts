// Which namespaces may see something: exportTo of services and of the objects that say how services are called. Made by
// operator/compile/visibility.ts, asked by xds/view. Gateways ask too, for their own namespace.
// Invariant: 'public' is the only way to say 'everybody', so that it is one comparison for most of a mesh.

/** Everybody, or the namespaces listed (sorted); an empty list: nobody. */
export type Visibility = 'public' | readonly string[]

export function isVisibleTo(visibility: Visibility, namespace: string): boolean {
  return visibility === 'public' || visibility.includes(namespace)
}
