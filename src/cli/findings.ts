// Findings for people. One form for every command that shows them: what is wrong first, then where, then what to do.
import type { Finding } from '../api/finding.ts'
import { formatRef } from '../api/object-meta.ts'
import type { CliContext } from './command.ts'
import { shortPath } from './short-path.ts'
import { table } from './table.ts'

const COLOUR = { error: 31, warning: 33, info: 36 } as const

export function printFindings(findings: readonly Finding[], context: Pick<CliContext, 'colour' | 'cwd'>): string {
  return findings.map((found) => printFinding(found, context)).join('')
}

function printFinding(found: Finding, { colour, cwd }: Pick<CliContext, 'colour' | 'cwd'>): string {
  const { position, object, severity, code } = found
  const word = colour ? `\u001b[${COLOUR[severity]}m${severity}\u001b[0m` : severity
  const where = position === undefined ? '' : `${shortPath(position.file, cwd)}:${position.line}:${position.column}: `
  const about = [object === undefined ? '' : formatRef(object), found.path].filter((part) => part !== '').join(' ')
  return `${where}${word} ${code}${about === '' ? '' : ` ${about}`}\n    ${found.message}\n    ${found.hint}\n`
}

/** One line each, for eyes and grep. */
export function findingsTable(findings: readonly Finding[], { cwd }: Pick<CliContext, 'cwd'>): string {
  if (findings.length === 0) return ''
  const rows = findings.map(({ severity, code, object, path, position, message }) => [
    severity,
    code,
    object === undefined ? '-' : formatRef(object),
    path === '' ? '-' : path,
    position === undefined ? '-' : `${shortPath(position.file, cwd)}:${position.line}:${position.column}`,
    message,
  ])
  return table(['SEVERITY', 'CODE', 'OBJECT', 'FIELD', 'PLACE', 'MESSAGE'], rows)
}

/** `2 errors, 1 warning`; says it plainly when there is nothing. */
export function summarise(findings: readonly Finding[]): string {
  const count = (severity: Finding['severity']): number => findings.filter((found) => found.severity === severity).length
  const parts = (['error', 'warning', 'info'] as const).flatMap((severity) => {
    const found = count(severity)
    if (found === 0) return []
    return [severity === 'info' ? `${found} for information` : `${found} ${severity}${found === 1 ? '' : 's'}`]
  })
  return parts.length === 0 ? 'no problems found' : parts.join(', ')
}

/** From what severity on an exit code must tell; `never`: the caller reads the output. */
export const FAIL_ON = ['error', 'warning', 'info', 'never'] as const
export type FailOn = (typeof FAIL_ON)[number]

export function fails(findings: readonly Finding[], failOn: FailOn): boolean {
  if (failOn === 'never') return false
  const enough = FAIL_ON.slice(0, FAIL_ON.indexOf(failOn) + 1)
  return findings.some(({ severity }) => enough.includes(severity))
}
