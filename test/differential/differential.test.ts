// A real Envoy is the oracle: the same bootstrap, the same requests, and the same status, headers, body and upstream view from both.
// A proxy's own words (bodies of local replies) may differ where a case says `status_only`; nothing else may.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { findEnvoy, type RunningEnvoy, startEnvoy } from '../harness/envoy.ts'
import { freePorts } from '../harness/ports.ts'
import { type CaseRequest, differentialBootstrap, readCases, requestBytes } from './case.ts'
import { differentLeaves, lineOf } from './different-leaves.ts'
import { type Observation, observe } from './exchange.ts'
import { startLateen } from './lateen.ts'
import { Upstream } from './upstream.ts'

const cases = readCases()
const envoyBinary = findEnvoy()
const skip =
  envoyBinary === undefined && process.env.CI !== 'true' ? "no Envoy here; 'npm run envoy' installs one, or set ENVOY_BINARY" : false

describe('as Envoy does', { skip }, () => {
  const upstreams = [new Upstream('a'), new Upstream('b')]
  let envoyPorts: readonly number[] = []
  let lateenPorts: readonly number[] = []
  const stops: (() => Promise<void>)[] = []

  before(async () => {
    if (envoyBinary === undefined) throw new Error("CI must have Envoy: run 'npm run envoy' first")
    const [a = 0, b = 0, closed = 0, envoyAdmin = 0, lateenAdmin = 0, ...rest] = await freePorts(5 + 2 * cases.length)
    envoyPorts = rest.slice(0, cases.length)
    lateenPorts = rest.slice(cases.length)
    await upstreams[0]?.listen(a)
    await upstreams[1]?.listen(b)
    const envoy: RunningEnvoy = await startEnvoy(
      envoyBinary,
      differentialBootstrap(cases, { admin: envoyAdmin, listeners: envoyPorts, upstreams: { a, b, closed } }),
      envoyAdmin,
    )
    stops.push(envoy.stop)
    stops.push(
      await startLateen(
        differentialBootstrap(cases, { admin: lateenAdmin, listeners: lateenPorts, upstreams: { a, b, closed } }),
        lateenAdmin,
      ),
    )
  })

  after(async () => {
    for (const stop of stops) await stop()
    for (const upstream of upstreams) await upstream.close()
  })

  for (const [index, each] of cases.entries()) {
    test(`${each.name}: ${each.what}`, async () => {
      const differences: string[] = []
      for (const request of each.requests) {
        const expected = await observe(envoyPorts[index] ?? 0, request, upstreams)
        const actual = await observe(lateenPorts[index] ?? 0, request, upstreams)
        const difference = differenceOf(actual, expected, request)
        if (difference !== undefined) differences.push(`${requestBytes(request)}\n${difference}`)
      }
      assert.equal(differences.length, 0, differences.join('\n\n'))
    })
  }
})

/** Undefined: none. Otherwise one line for each value that is not the same. */
function differenceOf(actual: Observation, expected: Observation, request: CaseRequest): string | undefined {
  if (request.ours === undefined) {
    const lines = differentLeaves(comparable(actual, request), comparable(expected, request)).map(lineOf)
    return lines.length === 0 ? undefined : lines.join('\n')
  }
  const statuses = actual.answers.map(({ status }) => status)
  if (!isDeepStrictEqual(statuses, request.ours)) return `ours: ${JSON.stringify(statuses)}, wanted: ${JSON.stringify(request.ours)}`
  return isDeepStrictEqual(actual, expected) ? 'there is no difference any more: remove `ours`' : undefined
}

function comparable({ answers, upstream }: Observation, { ignore, ignoreUpstream, statusOnly }: CaseRequest): unknown {
  const without = (headers: Readonly<Record<string, string>>, names: readonly string[]): unknown =>
    Object.fromEntries(Object.entries(headers).filter(([name]) => !names.includes(name)))
  return {
    answers: answers.map((answer) => (statusOnly ? answer.status : { ...answer, headers: without(answer.headers, ignore) })),
    upstream: upstream.map((seen) => ({ ...seen, headers: without(seen.headers, ignoreUpstream) })),
  }
}
