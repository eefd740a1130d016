// Who of some carries which labels. Looking a selector up costs as much as its rarest label is frequent, so that thousands of selectors and
// of workloads in one namespace stay cheap. Used by selection.ts.
import { hasLabels } from '../../model/destination-policy.ts'

type Labels = Readonly<Record<string, string>>

export interface LabelIndex<T> {
  /** In the order in which they were given. */
  select(labels: Labels): readonly T[]
}

export function indexLabels<T>(all: readonly T[], labelsOf: (each: T) => Labels): LabelIndex<T> {
  const byLabel = new Map<string, T[]>()
  for (const each of all) {
    for (const [key, value] of Object.entries(labelsOf(each))) {
      const list = byLabel.get(`${key}=${value}`)
      if (list === undefined) byLabel.set(`${key}=${value}`, [each])
      else list.push(each)
    }
  }
  return {
    select(labels) {
      const lists = Object.entries(labels).map(([key, value]) => byLabel.get(`${key}=${value}`) ?? [])
      const rarest = lists.reduce((least, list) => (list.length < least.length ? list : least), all)
      return rarest.filter((each) => hasLabels(labelsOf(each), labels))
    },
  }
}
