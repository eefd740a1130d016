// One line of `lateen check`: what was looked at, what was seen, and, where that is not right, what to do. Made by check-*.ts.
import type { KubeClient } from '../kube/client.ts'
import type { CliContext } from './command.ts'

export type Verdict = 'ok' | 'warning' | 'problem'

export interface CheckItem {
  readonly verdict: Verdict
  /** What was looked at. */
  readonly look: string
  /** What was there. */
  readonly saw: string
  readonly fix?: string
}

export interface CheckScope {
  readonly client: KubeClient
  readonly cli: CliContext
  readonly namespace: string
  readonly revision: string
}

/** Several questions that are asked at once answer in the order of the list. */
export type Check = (scope: CheckScope) => Promise<readonly CheckItem[]>

export const fine = (look: string, saw: string): CheckItem => ({ verdict: 'ok', look, saw })
export const warning = (look: string, saw: string, fix: string): CheckItem => ({ verdict: 'warning', look, saw, fix })
export const problem = (look: string, saw: string, fix: string): CheckItem => ({ verdict: 'problem', look, saw, fix })

/** `-v2` for every revision but the default: as in the chart's names. */
export function revisionSuffix(revision: string): string {
  return revision === 'default' ? '' : `-${revision}`
}
