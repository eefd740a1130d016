// What `--dry-run` prints: input for iptables-restore, with the reason of every rule. Pure.
import type { CaptureOptions } from './capture-options.ts'
import { restoreInput } from './change.ts'
import { captureRules } from './rules/capture-rules.ts'
import { tproxyRouteCommands } from './rules/tproxy-rules.ts'

export function dryRunText(options: CaptureOptions): string {
  return ([4, 6] as const)
    .map((family) => {
      const routes = options.mode === 'TPROXY' ? tproxyRouteCommands(options, family).map((command) => `# and: ${command}\n`) : []
      const program = family === 4 ? 'iptables-restore' : 'ip6tables-restore'
      return `# IPv${family}: ${program} --noflush\n${restoreInput([], captureRules(options, family), true)}${routes.join('')}`
    })
    .join('\n')
}
