// Findings for people. One form for every command that shows them: what is wrong first, then where, then what to do.
import { type Finding, hasErrors } from '../api/finding.ts'
import { formatRef } from '../api/object-meta.ts'
import type { CliContext } from './command.ts'
import { shortPath } from './short-path.ts'

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

/** Whether an exit code must tell: errors always, warnings when asked. */
export function fails(findings: readonly Finding[], failOn: 'error' | 'warning'): boolean {
  return hasErrors(findings) || (failOn === 'warning' && findings.some(({ severity }) => severity === 'warning'))
}
