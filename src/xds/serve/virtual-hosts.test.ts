// When virtual hosts go out: after their table, and all of a refused response again. With a real Envoy: test/feature/virtual-hosts.test.ts.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { contentHash } from '../../base/content-hash.ts'
import { fullCodec } from '../../envoy/full-codec.ts'
import { ROUTE_TYPE, VIRTUAL_HOST_TYPE } from '../../envoy/type-urls.ts'
import { allShared, type EncodedResource, type ServedResources } from '../generate/resources.ts'
import { ClientSession } from './client-session.ts'
import { createInterestBook } from './interest.ts'
import { createDeltaRenderer, type Held, HOLDS_NOTHING } from './render-delta.ts'

/** 'name@version' each. */
function world(tables: readonly string[], hosts: readonly string[]): ServedResources {
  const entry = (text: string): [string, EncodedResource] => {
    const [name = '', version = ''] = text.split('@')
    return [name, { version, bytes: Buffer.from(text) }]
  }
  return allShared(
    new Map([
      [ROUTE_TYPE, new Map(tables.map(entry))],
      [VIRTUAL_HOST_TYPE, new Map(hosts.map(entry))],
    ]),
  )
}

interface Message {
  readonly typeUrl: string
  readonly nonce: string
  readonly names: readonly string[]
}

function client() {
  const session = new ClientSession('delta', createDeltaRenderer(contentHash), createInterestBook())
  return {
    ask: (typeUrl: string, names: readonly string[] = [], initial: Readonly<Record<string, string>> = {}) =>
      session.receiveDelta({ typeUrl, resourceNamesSubscribe: names, held: { common: heldOf(initial), rest: HOLDS_NOTHING } }),
    next: (resources: ServedResources): readonly Message[] => session.next(resources).map(({ chunks }) => read(Buffer.concat(chunks))),
    answer: ({ typeUrl, nonce }: Message, refusal?: string) =>
      session.receiveDelta({
        typeUrl,
        responseNonce: nonce,
        ...(refusal === undefined ? {} : { errorDetail: { code: 13, message: refusal } }),
      }),
  }
}

function read(bytes: Buffer): Message {
  const decoded = fullCodec.decode('envoy.service.discovery.v3.DeltaDiscoveryResponse', bytes, { keepAny: true })
  assert.ok(decoded.ok)
  const { typeUrl = '', nonce = '', resources = [], removedResources = [] } = decoded.value
  const names = [...resources.map(({ name, version }) => `${name}@${version}`), ...removedResources.map((name) => `-${name}`)]
  return { typeUrl, nonce, names }
}

test('virtual hosts of a table go out after the client has accepted the table', () => {
  const { ask, next, answer } = client()
  const one = world(['80@1'], ['80/a@1'])
  ask(ROUTE_TYPE, ['80'])
  const [table] = next(one)
  ask(VIRTUAL_HOST_TYPE)
  assert.deepEqual(next(one), [])
  assert.ok(table !== undefined)
  answer(table)
  const [hosts] = next(one)
  assert.deepEqual(hosts?.names, ['80/a@1'])
  assert.ok(hosts !== undefined)
  answer(hosts)

  // A second table comes with its hosts in one update.
  const two = world(['80@1', '81@1'], ['80/a@1', '81/b@1'])
  assert.deepEqual(next(two), [])
  ask(ROUTE_TYPE, ['81'])
  const [second, ...early] = next(two)
  assert.deepEqual([second?.names, early], [['81@1'], []])
  assert.ok(second !== undefined)
  answer(second)
  assert.deepEqual(next(two)[0]?.names, ['81/b@1'])
})

test('a client that comes back with a table and its virtual hosts is sent what has changed', () => {
  const { ask, next, answer } = client()
  ask(ROUTE_TYPE, ['80'], { '80': '1' })
  ask(VIRTUAL_HOST_TYPE, [], { '80/a': '1', '80/b': '1', '80/gone': '1' })

  const now = world(['80@1'], ['80/a@1', '80/b@2'])
  const [tables] = next(now)
  assert.deepEqual(tables?.names, [])
  assert.ok(tables !== undefined)
  answer(tables)
  assert.deepEqual(next(now)[0]?.names, ['80/b@2', '-80/gone'])
})

test('all of a refused response goes out again with the next change, and not before', () => {
  const { ask, next, answer } = client()
  ask(ROUTE_TYPE, ['80'], { '80': '1' })
  ask(VIRTUAL_HOST_TYPE)
  const first = world(['80@1'], ['80/a@1', '80/bad@1', '80/c@1'])
  for (const message of next(first)) answer(message)
  for (const message of next(first)) answer(message)
  const [refused] = next(world(['80@1'], ['80/a@2', '80/bad@2', '80/c@1']))
  assert.deepEqual(refused?.names, ['80/a@2', '80/bad@2'])
  assert.ok(refused !== undefined)
  answer(refused, 'a domain twice')

  assert.deepEqual(next(world(['80@1'], ['80/a@2', '80/bad@2', '80/c@1'])), [])
  assert.deepEqual(next(world(['80@1'], ['80/a@2', '80/bad@3', '80/c@1']))[0]?.names, ['80/a@2', '80/bad@3'])
})

function heldOf(versions: Readonly<Record<string, string>>): Held {
  return new Map(Object.entries(versions).map(([name, version]) => [name, { version }]))
}
