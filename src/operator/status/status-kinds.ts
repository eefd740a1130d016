// The kinds that have a status of ours: the mesh's own, whose CRDs have the subresource.
import { type KindName, kinds } from '../../api/kinds.ts'

export const STATUS_KINDS: readonly KindName[] = kinds
  .filter(({ group, kind }) => group.endsWith('istio.io') && kind !== 'MeshConfig')
  .map(({ kind }) => kind)
