// For whom a scope is made, as far as it matters to what is in it. Made by viewFor, read by the files that choose.
import type { Capture } from '../../model/workload.ts'

export interface Client {
  readonly namespace: string
  readonly labels: Readonly<Record<string, string>>
  readonly capture: Capture['kind']
  readonly isStock: boolean
}
