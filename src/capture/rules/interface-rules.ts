// Rules per network interface, and the one that drops packets that belong to no connection.
import type { CaptureOptions, Family } from '../capture-options.ts'
import { CHAINS, type Rule, rule, type Table } from '../rule.ts'
import { rangesOf } from './family.ts'

export function excludedInterfaceRules({ interfacesExcluded, mode }: CaptureOptions): readonly Rule[] {
  const tables: readonly Table[] = mode === 'TPROXY' ? ['nat', 'mangle'] : ['nat']
  return tables.flatMap((table) =>
    interfacesExcluded.flatMap((name) => [
      rule(table, 'PREROUTING', { inInterface: name }, 'RETURN', `interface ${name} is excluded`),
      rule(table, 'OUTPUT', { outInterface: name }, 'RETURN', `interface ${name} is excluded`),
    ]),
  )
}

/** What a virtual machine sends comes in by its interface: redirected as outbound where its destination is included, else let pass. */
export function virtualInterfaceRules({ virtualInterfaces, outboundRanges }: CaptureOptions, family: Family): readonly Rule[] {
  const destinations = outboundRanges === '*' ? [undefined] : rangesOf(outboundRanges, family)
  const redirected = destinations.flatMap((destination) =>
    virtualInterfaces.map((name) =>
      rule(
        'nat',
        'PREROUTING',
        { ...(destination === undefined ? {} : { destination }), inInterface: name },
        CHAINS.redirect,
        `what comes in by ${name} is the outbound traffic of a virtual machine`,
        'head',
      ),
    ),
  )
  const passed = virtualInterfaces.map((name) =>
    rule('nat', 'PREROUTING', { inInterface: name }, 'RETURN', `the rest of ${name} is not inbound traffic of this pod`, 'head'),
  )
  return [...redirected, ...passed]
}

export function dropInvalidRules({ dropsInvalid }: CaptureOptions): readonly Rule[] {
  if (!dropsInvalid) return []
  const why = 'a packet out of its window would be answered with a reset that ends a good connection'
  return [rule('mangle', 'PREROUTING', { connectionState: 'INVALID' }, CHAINS.drop, why), rule('mangle', CHAINS.drop, {}, 'DROP', why)]
}
