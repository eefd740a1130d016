// Containers that a pod has under the names of what is injected: what its author wants different. Pure. Laid over ours, and kept in an
// annotation, so that another injection finds them again (restore.ts).
import { INIT_CONTAINER } from './init-container.ts'
import { overlay } from './overlay.ts'
import type { Container, Json, Pod } from './pod.ts'
import { PROXY_NAMES } from './proxy-container.ts'

export function withoutProxy(containers: readonly Container[] = []): readonly Container[] {
  return containers.filter(({ name }) => !PROXY_NAMES.includes(name) && name !== INIT_CONTAINER)
}

/** The pod's fields win; `image: auto` is ours, and with it the pull policy that Kubernetes gives an image without a tag before it asks us:
 *  whoever leaves the image to us would pull it at every start, and where nobody can pull, never start. */
export function withOwnFields(ours: Container, names: readonly string[], { spec }: Pod): Container {
  const own = [...spec.containers, ...(spec.initContainers ?? [])].find(({ name }) => names.includes(name))
  if (own === undefined) return ours
  const { image, ...rest } = own
  if (image !== undefined && image !== 'auto' && image !== '') return overlay(ours, own)
  const { imagePullPolicy, ...others } = rest
  return overlay(ours, imagePullPolicy === 'Always' ? others : rest)
}

/** Undefined: the pod has none. */
export function ownProxies({ spec }: Pod): Json | undefined {
  const containers = spec.containers.filter(({ name }) => PROXY_NAMES.includes(name))
  const initContainers = (spec.initContainers ?? []).filter(({ name }) => PROXY_NAMES.includes(name) || name === INIT_CONTAINER)
  return containers.length + initContainers.length === 0 ? undefined : { containers, initContainers }
}
