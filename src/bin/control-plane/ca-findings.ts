// What is wrong with the certificate authority, as Findings: for the status API beside those of users' objects, and once each for the log.
import { type Finding, findingAt, formatFinding } from '../../api/finding.ts'
import type { Logger } from '../../base/log.ts'
import type { CaTrouble } from '../../ca/ca-health.ts'

export function caFindings(troubles: readonly CaTrouble[]): readonly Finding[] {
  return troubles.map(toFinding)
}

/** Says what was not there the time before. */
export function createCaFindingSayer(log: Logger): (findings: readonly Finding[]) => void {
  let said: ReadonlySet<string> = new Set()
  return (findings) => {
    const lines = findings.filter(({ severity }) => severity !== 'info').map((found) => [keyOf(found), formatFinding(found)] as const)
    for (const [key, line] of lines) if (!said.has(key)) log.warn(line)
    said = new Set(lines.map(([key]) => key))
  }
}

/** Without what changes from day to day. */
function keyOf({ code, message }: Finding): string {
  return `${code} ${message.replace(/in \d+ days/, '')}`
}

function toFinding(trouble: CaTrouble): Finding {
  switch (trouble.kind) {
    case 'refused':
      return findingAt('LTN0401', undefined, '', { file: trouble.file === '' ? '' : `${trouble.file} `, reason: trouble.reason })
    case 'expiring': {
      const { what, serial, daysLeft } = trouble
      return findingAt('LTN0402', undefined, '', { what, serial, days: daysLeft, when: isoTime(trouble.notAfterMs) })
    }
    case 'expired':
      return findingAt('LTN0403', undefined, '', { what: trouble.what, serial: trouble.serial, when: isoTime(trouble.notAfterMs) })
    case 'revocation-list':
      return findingAt('LTN0404', undefined, '', {})
    case 'retiring':
      return findingAt('LTN0405', undefined, '', { count: trouble.count, when: isoTime(trouble.untilMs) })
  }
}

function isoTime(atMs: number): string {
  return new Date(atMs).toISOString()
}
