// Properties of the rules, judged by the kernel: any options give rules that iptables-restore takes, reads back as the same text, turns
// into any others, and removes without a trace. Seeded: a failure names its round.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { differences, restoreInput } from '../../src/capture/change.ts'
import { readCaptureRequest } from '../../src/capture/read-options.ts'
import { captureRules } from '../../src/capture/rules/capture-rules.ts'
import { parseSavedRules } from '../../src/capture/saved-rules.ts'
import { type Noise, noiseOf } from '../fuzz/fuzz.ts'
import { makeNamespace, rulesOf, whatIsMissing } from './namespaces.ts'

const skip = whatIsMissing()
const ROUNDS = 9
/** Spelt differently by programs, or left out by iptables-save. */
const UNUSUAL_RANGES = [
  '::ffff:1.2.3.4/128',
  '::1.2.3.4/127',
  '::/0',
  '0.0.0.0/0',
  '::1',
  '127.0.0.1',
  'FE80::/10',
  '0:0:1::/48',
  '10.1.2.3',
]

for (const flavour of ['nft', 'legacy']) {
  for (const family of [4, 6] as const) {
    const program = `${family === 4 ? 'iptables' : 'ip6tables'}-${flavour}`
    test(`any options: ${program} takes the rules, shows the same, and forgets them`, { skip }, async (t) => {
      const namespace = makeNamespace(t)
      const { output, run } = namespace
      output(program, '-t', 'nat', '-A', 'OUTPUT', '-m', 'comment', '--comment', 'of somebody else', '-j', 'RETURN')
      output(program, '-t', 'nat', '-A', 'PREROUTING', '-i', 'other0', '-j', 'RETURN')
      const before = rulesOf(namespace, program)
      const saved = (): ReturnType<typeof parseSavedRules> => parseSavedRules(output(`${program}-save`))
      const restore = async (input: string, ...flags: string[]): Promise<void> => {
        const ran = await run(`${program}-restore`, ['--noflush', ...flags], input)
        assert.ok(ran.kind === 'ran' && ran.code === 0, `${JSON.stringify(ran)}\n${input}`)
      }
      for (let seed = 1; seed <= ROUNDS; seed++) {
        const { args, env } = anyOptions(noiseOf(seed))
        const hint = `round ${seed}: ${JSON.stringify(args)} ${JSON.stringify(env)}`
        const request = readCaptureRequest(args, { env, resolvConf: 'nameserver 10.0.0.1\nnameserver fd00::53\n', groupFile: '' })
        assert.ok(request.ok && request.value !== 'help', `${hint} ${JSON.stringify(request)}`)
        const wanted = captureRules(request.value.capture, family)
        const change = restoreInput(saved(), wanted)
        await restore(change, '--test')
        await restore(change)
        assert.deepEqual(differences(saved(), wanted), [], hint)
        // Every third set is removed again, the others are what the next one replaces.
        if (seed % 3 !== 0) continue
        await restore(restoreInput(saved(), []))
        assert.equal(rulesOf(namespace, program), before, hint)
      }
    })
  }
}

function anyOptions(noise: Noise): { readonly args: readonly string[]; readonly env: Readonly<Record<string, string>> } {
  const { below, pick, chance } = noise
  const some = (make: () => string): string => Array.from({ length: below(4) }, make).join(',')
  const port = (): string => String(1 + below(65_535))
  const id = (): string => String(below(100_000))
  const range = (): string => {
    const groups = (count: number, limit: number, base: number): string[] =>
      Array.from({ length: count }, () => below(limit).toString(base))
    if (chance(0.2)) return pick(UNUSUAL_RANGES)
    return chance(0.5) ? `${groups(4, 256, 10).join('.')}/${below(33)}` : `${groups(8, 65_536, 16).join(':')}/${below(129)}`
  }
  const name = (): string => `${pick(['eth', 'net-', 'tap.', 'x'])}${below(100)}${pick(['', '+'])}`
  const groups = some(id)
  const args = [
    ...['-m', pick(['REDIRECT', 'REDIRECT', 'TPROXY']), '-n'],
    ...['-b', chance(0.3) ? '*' : some(port), '-d', some(port), '-q', some(port), '-o', some(port)],
    ...['-i', chance(0.3) ? '*' : some(range), '-x', some(range), '-c', some(name), '-k', some(name)],
    ...(chance(0.5) ? ['-u', `${id()},${id()}`] : []),
    ...(chance(0.3) ? ['-g', id()] : []),
    ...(chance(0.5) ? ['--redirect-dns'] : []),
    ...(chance(0.5) ? ['--capture-all-dns'] : []),
    ...(chance(0.3) ? ['--drop-invalid'] : []),
    ...(chance(0.2) ? ['-p', port(), '-z', port(), '-e', port()] : []),
  ]
  const variable = pick(['ISTIO_OUTBOUND_OWNER_GROUPS', 'ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE'])
  return { args, env: { [variable]: groups } }
}
