// Names of hosts, the way Istio reads them: exact, or with a star in front. Used by the checks of every kind that names hosts.
import { isIP } from 'node:net'
import type { FieldPath } from '../field-path.ts'
import { isDnsLabel } from '../metadata.ts'
import type { Report } from '../report.ts'

const MAX_HOST_LENGTH = 255
const LABEL = /^[A-Za-z0-9](?:[-A-Za-z0-9]*[A-Za-z0-9])?$/
const FIRST_LABEL = /^\*?$|^\*?-?[A-Za-z0-9](?:[-A-Za-z0-9]*[A-Za-z0-9])?$/

/** What is wrong with a name that may begin with a star; undefined when nothing is. */
export function wildcardDomainProblem(host: string): string | undefined {
  if (host === '') return 'it is empty'
  if (host.length > MAX_HOST_LENGTH) return 'it has more than 255 characters'
  const labels = host.split('.')
  // 'a.example.com.' is the same name, written absolutely.
  if (labels.length > 1 && labels.at(-1) === '') labels.pop()
  for (const [index, label] of labels.entries()) {
    if (label === '') return 'it has an empty part'
    if (label.length > 63) return 'a part has more than 63 characters'
    if (!(index === 0 ? FIRST_LABEL : LABEL).test(label)) return `the part '${label}' is not a DNS label`
  }
  if (labels.length > 1 && /^\d+$/.test(labels.at(-1) ?? '')) return 'its last part is a number'
  return undefined
}

export function fqdnProblem(host: string): string | undefined {
  return host.includes('*') ? 'it may not have a star' : wildcardDomainProblem(host)
}

export function isIpAddress(text: string): boolean {
  return isIP(text) !== 0
}

/** Reports each host that some name shares with an earlier one. Linear in the number of hosts: a text may list thousands. */
export function checkNoOverlap(hosts: readonly string[], path: FieldPath, report: Report): void {
  const firstOf = new Map<string, number>()
  const reported = new Set<number>()
  const clash = (a: number, b: number): void => {
    const later = Math.max(a, b)
    if (reported.has(later)) return
    reported.add(later)
    report('LTN0131', [...path, later], { value: hosts[later] ?? '', other: hosts[Math.min(a, b)] ?? '' })
  }
  hosts.forEach((host, index) => {
    const first = firstOf.get(host)
    if (first === undefined) firstOf.set(host, index)
    else clash(first, index)
  })
  for (const [host, index] of firstOf) {
    const text = host.startsWith('*') ? host.slice(1) : host
    // A wildcard overlaps with every name that ends like it, and so with every wildcard whose own end does.
    for (let start = 0; start <= Math.min(text.length, MAX_HOST_LENGTH); start++) {
      const wildcard = firstOf.get(`*${text.slice(start)}`)
      if (wildcard !== undefined && wildcard !== index) clash(index, wildcard)
    }
  }
}

/** exportTo: '.', '*' alone, names; '~' only where nobody may be meant. */
export function checkExportTo(exportTo: readonly string[] | undefined, nobodyAllowed: boolean, path: FieldPath, report: Report): void {
  const entries = exportTo ?? []
  entries.forEach((value, index) => {
    const at = [...path, 'exportTo', index]
    if (entries.indexOf(value) < index) report('LTN0133', at, { value, problem: 'it occurs twice' })
    else if (value === '*' || value === '~') {
      if (value === '~' && !nobodyAllowed) report('LTN0133', at, { value, problem: 'an object for nobody has no use' })
      else if (entries.length > 1) report('LTN0133', at, { value, problem: 'it must stand alone' })
    } else if (value !== '.' && !isDnsLabel(value)) report('LTN0133', at, { value, problem: 'it is not the name of a namespace' })
  })
}
