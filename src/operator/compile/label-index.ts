// Who carries which labels. Looking a selector up costs as much as its rarest label is frequent, so that thousands of selectors and of
// workloads stay cheap. Used by selection.ts and by operator/analyze.
import { hasLabels } from '../../model/destination-policy.ts'

export interface Labelled {
  readonly namespace: string
  readonly labels: Readonly<Record<string, string>>
}

export interface LabelIndex<T extends Labelled> {
  /** In the namespace, or everywhere when it is undefined; in the order in which they were given. */
  select(labels: Readonly<Record<string, string>>, namespace: string | undefined): readonly T[]
}

export function indexLabels<T extends Labelled>(all: readonly T[]): LabelIndex<T> {
  const byNamespace = Map.groupBy(all, ({ namespace }) => namespace)
  const byLabel = new Map<string, T[]>()
  for (const each of all) {
    for (const [key, value] of Object.entries(each.labels)) {
      const list = byLabel.get(`${key}=${value}`)
      if (list === undefined) byLabel.set(`${key}=${value}`, [each])
      else list.push(each)
    }
  }
  return {
    select(labels, namespace) {
      const near = namespace === undefined ? all : (byNamespace.get(namespace) ?? [])
      const lists = Object.entries(labels).map(([key, value]) => byLabel.get(`${key}=${value}`) ?? [])
      const rarest = lists.reduce((least, list) => (list.length < least.length ? list : least), near)
      return rarest.filter((each) => (namespace === undefined || each.namespace === namespace) && hasLabels(each.labels, labels))
    },
  }
}
