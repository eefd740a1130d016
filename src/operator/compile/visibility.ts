// exportTo in the words of the mesh: '*' everybody, '.' the object's own namespace, '~' nobody, else names of namespaces (Istio's rule).
// Called by every pass whose objects have an exportTo. Invariant: what cannot be understood is validation's business and widens nothing.
import type { Visibility } from '../../model/visibility.ts'
import { compareText } from './mesh-draft.ts'

/** @param fallback what the mesh says for objects that say nothing. */
export function visibilityOf(exportTo: readonly string[] | undefined, namespace: string, fallback: readonly string[] = ['*']): Visibility {
  const written = exportTo === undefined || exportTo.length === 0 ? fallback : exportTo
  if (written.includes('*')) return 'public'
  const namespaces = written.filter((each) => each !== '~').map((each) => (each === '.' ? namespace : each))
  return [...new Set(namespaces)].sort(compareText)
}

const EXPORT_ANNOTATION = 'networking.istio.io/exportTo'

/** A Service says it in an annotation, with commas. */
export function annotatedExportTo(annotations: Readonly<Record<string, string>>): readonly string[] | undefined {
  return annotations[EXPORT_ANNOTATION]?.split(',').flatMap((each) => each.trim() || [])
}
