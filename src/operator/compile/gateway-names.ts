// Names of gateways as VirtualServices write them. `mesh` means every sidecar.
export const MESH = 'mesh'

/** Full names (`namespace/name`, or 'mesh'); nothing written: the mesh. */
export function gatewaysOf(written: readonly string[] | undefined, namespace: string): readonly string[] {
  if (written === undefined || written.length === 0) return [MESH]
  return [...new Set(written.map((name) => resolveGateway(name, namespace)))]
}

/** `x` and `./x` are of the own namespace, `ns/x` says it, and `x.ns[.svc...]` is the old form of the latter. */
export function resolveGateway(written: string, namespace: string): string {
  if (written === MESH) return MESH
  const slash = written.indexOf('/')
  if (slash >= 0) {
    const where = written.slice(0, slash)
    return `${where === '.' ? namespace : where}/${written.slice(slash + 1)}`
  }
  const [name = '', where] = written.split('.')
  return `${where ?? namespace}/${name}`
}
