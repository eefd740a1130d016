// What a client is sent, and when: the rules of the protocol, without a wire.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { contentHash } from '../../base/content-hash.ts'
import { fullCodec } from '../../envoy/full-codec.ts'
import type { DeltaDiscoveryResponse, DiscoveryResponse } from '../../envoy/generated/messages.gen.ts'
import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE, resourceTypeNames } from '../../envoy/type-urls.ts'
import { allShared, type EncodedResource, type ServedResources } from '../generate/resources.ts'
import { ClientSession } from './client-session.ts'
import { typeStatuses } from './client-status.ts'
import { createInterestBook } from './interest.ts'
import { createDeltaRenderer, type Held, HOLDS_NOTHING } from './render-delta.ts'

type Versions = Readonly<Record<string, string>>
const TYPES: Readonly<Record<string, string>> = { cds: CLUSTER_TYPE, eds: ENDPOINT_TYPE, lds: LISTENER_TYPE, rds: ROUTE_TYPE }

/** { cds: { a: '1' } }: type -> name -> version. */
function world(versions: Readonly<Record<string, Versions>>): ServedResources {
  return allShared(
    new Map(
      Object.entries(TYPES).map(([short, url]) => {
        const entries = Object.entries(versions[short] ?? {})
        return [
          url,
          new Map(
            entries.map(([name, version]): [string, EncodedResource] => [name, { version, bytes: Buffer.from(`${name}@${version}`) }]),
          ),
        ]
      }),
    ),
  )
}

interface Seen {
  readonly type: string
  readonly changed: readonly string[]
  readonly removed: readonly string[]
  readonly nonce: string
}

/** A client that keeps its session's messages readable and answers them. */
function deltaClient(renderer = createDeltaRenderer(contentHash)) {
  const session = new ClientSession('delta', renderer, createInterestBook())
  return {
    session,
    subscribe(short: string, names: readonly string[] = [], initial: Versions = {}) {
      session.receiveDelta({ typeUrl: TYPES[short], resourceNamesSubscribe: names, held: { common: heldOf(initial), rest: HOLDS_NOTHING } })
    },
    unsubscribe(short: string, names: readonly string[]) {
      session.receiveDelta({ typeUrl: TYPES[short], resourceNamesUnsubscribe: names })
    },
    next: (resources: ServedResources): readonly Seen[] => session.next(resources).map(({ chunks }) => seen(Buffer.concat(chunks))),
    ack: (message: Seen | undefined) => session.receiveDelta({ typeUrl: typeOf(message), responseNonce: message?.nonce }),
    nack(message: Seen | undefined, reason: string) {
      session.receiveDelta({ typeUrl: typeOf(message), responseNonce: message?.nonce, errorDetail: { code: 13, message: reason } })
    },
    status: () => typeStatuses(session.subscriptions),
  }
}

function typeOf(message: Seen | undefined): string | undefined {
  return TYPES[message?.type.toLowerCase() ?? '']
}

function seen(bytes: Buffer): Seen {
  const read = fullCodec.decode('envoy.service.discovery.v3.DeltaDiscoveryResponse', bytes, { keepAny: true })
  assert.ok(read.ok)
  const response: DeltaDiscoveryResponse = read.value
  return {
    type: resourceTypeNames[response.typeUrl ?? ''] ?? '',
    changed: (response.resources ?? []).map(({ name, version }) => `${name}@${version}`),
    removed: response.removedResources ?? [],
    nonce: response.nonce ?? '',
  }
}

const brief = (messages: readonly Seen[]): readonly string[] =>
  messages.map(({ type, changed, removed }) => [type, ...changed, ...removed.map((name) => `-${name}`)].join(' '))

test('a client that names nothing gets everything, and afterwards only what changed', () => {
  const client = deltaClient()
  client.subscribe('cds')
  const [first] = client.next(world({ cds: { a: '1', b: '1' } }))
  assert.deepEqual(first?.changed, ['a@1', 'b@1'])
  client.ack(first)
  assert.deepEqual(brief(client.next(world({ cds: { a: '1', b: '2', c: '1' } }))), ['CDS b@2 c@1'])
})

test('the first request is answered even when there is nothing, once', () => {
  const client = deltaClient()
  client.subscribe('lds')
  const [first, ...more] = client.next(world({}))
  assert.deepEqual([first?.changed, first?.removed, more], [[], [], []])
  client.ack(first)
  assert.deepEqual(client.next(world({})), [])
})

test('what a client has already is not sent again when it comes back; what is gone is removed, what is new is sent', () => {
  const client = deltaClient()
  client.subscribe('rds', [], { same: '1', old: '1', gone: '1' })
  assert.deepEqual(brief(client.next(world({ rds: { same: '1', old: '2', fresh: '1' } }))), ['RDS old@2 fresh@1 -gone'])
})

test('what a client says to hold is told apart into what is shared and its own, however it came', () => {
  const resource = (text: string): EncodedResource => ({ version: '1', bytes: Buffer.from(text) })
  const mapOf = (names: readonly string[]) => new Map(names.map((name) => [name, resource(name)]))
  const now: ServedResources = new Map([[CLUSTER_TYPE, { shared: mapOf(['a', 'b', 'fresh']), own: mapOf(['mine', 'new']) }]])
  const held = (names: readonly string[]): Held => new Map(names.map((name) => [name, { version: '1' }]))
  for (const said of [
    { common: held(['a', 'b', 'mine', 'gone']), rest: HOLDS_NOTHING },
    { common: held(['a', 'gone']), rest: held(['b', 'mine']) },
    { common: HOLDS_NOTHING, rest: held(['a', 'b', 'mine', 'gone']) },
    { common: held(['a', 'b']), rest: held(['mine', 'gone']) },
  ]) {
    const client = deltaClient()
    client.session.receiveDelta({ typeUrl: CLUSTER_TYPE, held: said })
    assert.deepEqual(brief(client.next(now)), ['CDS fresh@1 new@1 -gone'])
  }
})

test('a client that names resources gets those, and is told of one that does not exist', () => {
  const client = deltaClient()
  client.subscribe('eds', ['a', 'missing'])
  const [first] = client.next(world({ eds: { a: '1', b: '1' } }))
  assert.deepEqual([first?.changed, first?.removed], [['a@1'], ['missing']])
  client.ack(first)
  assert.deepEqual(brief(client.next(world({ eds: { a: '1', b: '2' } }))), [], 'b is not wanted')
  assert.deepEqual(brief(client.next(world({ eds: { a: '1', b: '2', missing: '1' } }))), ['EDS missing@1'], 'it appears later')
})

test('a name asked for again is sent again; one given up is not', () => {
  const client = deltaClient()
  const all = world({ eds: { a: '1', b: '1' } })
  client.subscribe('eds', ['a', 'b'])
  client.ack(client.next(all)[0])
  client.subscribe('eds', ['a'])
  const [again] = client.next(all)
  assert.deepEqual(again?.changed, ['a@1'])
  client.ack(again)
  client.unsubscribe('eds', ['a'])
  assert.deepEqual(brief(client.next(world({ eds: { a: '2', b: '1' } }))), [])
})

test("giving up '*' leaves what was named", () => {
  const client = deltaClient()
  client.subscribe('cds', ['*', 'a'])
  client.ack(client.next(world({ cds: { a: '1', b: '1' } }))[0])
  client.unsubscribe('cds', ['*'])
  assert.deepEqual(brief(client.next(world({ cds: { a: '2', b: '2' } }))), ['CDS a@2'])
})

test('while an answer is outstanding nothing more of that type goes out, and then only the newest', () => {
  const client = deltaClient()
  client.subscribe('cds')
  const [first] = client.next(world({ cds: { a: '1' } }))
  for (const version of ['2', '3', '4']) assert.deepEqual(client.next(world({ cds: { a: version } })), [])
  client.ack(first)
  assert.deepEqual(brief(client.next(world({ cds: { a: '4' } }))), ['CDS a@4'])
})

test('types go out in the order CDS, EDS, LDS, RDS, whatever the order of the requests', () => {
  const client = deltaClient()
  for (const type of ['rds', 'lds', 'eds', 'cds']) client.subscribe(type)
  assert.deepEqual(brief(client.next(world({ cds: { a: '1' }, eds: { a: '1' }, lds: { a: '1' }, rds: { a: '1' } }))), [
    'CDS a@1',
    'EDS a@1',
    'LDS a@1',
    'RDS a@1',
  ])
})

test('a route does not overtake the cluster that it needs', () => {
  const client = deltaClient()
  for (const type of ['cds', 'rds']) client.subscribe(type)
  const [cds, rds] = client.next(world({ cds: { a: '1' }, rds: { r: 'to a' } }))
  client.ack(rds)
  const next = world({ cds: { a: '1', b: '1' }, rds: { r: 'to b' } })
  assert.deepEqual(client.next(next), [], 'the client has not answered the clusters')
  client.ack(cds)
  assert.deepEqual(brief(client.next(next)), ['CDS b@1', 'RDS r@to b'])
})

test('a cluster is taken away only after the client has agreed to the routes that no longer name it', () => {
  const client = deltaClient()
  for (const type of ['cds', 'rds']) client.subscribe(type)
  for (const message of client.next(world({ cds: { a: '1', b: '1' }, rds: { r: 'to b' } }))) client.ack(message)
  const next = world({ cds: { a: '1' }, rds: { r: 'to a' } })
  const [rds, ...more] = client.next(next)
  assert.deepEqual([rds?.type, more], ['RDS', []])
  client.ack(rds)
  assert.deepEqual(brief(client.next(next)), ['CDS -b'])
})

test('a refused route keeps the cluster alive that the old route names', () => {
  const client = deltaClient()
  for (const type of ['cds', 'rds']) client.subscribe(type)
  for (const message of client.next(world({ cds: { a: '1', b: '1' }, rds: { r: 'to b' } }))) client.ack(message)
  const broken = world({ cds: { a: '1' }, rds: { r: 'broken' } })
  client.nack(client.next(broken)[0], 'r is broken')
  assert.deepEqual(client.next(broken), [])
  const mended = world({ cds: { a: '1' }, rds: { r: 'to a' } })
  client.ack(client.next(mended)[0])
  assert.deepEqual(brief(client.next(mended)), ['CDS -b'])
})

test('a refusal stays visible, is not sent again, and survives an accepted neighbour until the resource itself is replaced', () => {
  const client = deltaClient()
  client.subscribe('rds')
  client.ack(client.next(world({ rds: { good: '1', bad: '1' } }))[0])
  client.nack(client.next(world({ rds: { good: '1', bad: '2' } }))[0], "route 'bad': no such cluster")
  assert.deepEqual(client.next(world({ rds: { good: '1', bad: '2' } })), [])
  client.ack(client.next(world({ rds: { good: '2', bad: '2' } }))[0])
  const { RDS: status } = client.status()
  assert.equal(status?.state, 'REJECTED')
  assert.deepEqual(status.rejection?.resources, ['bad'])
  assert.match(status.rejection.message, /no such cluster/)
  client.ack(client.next(world({ rds: { good: '2', bad: '3' } }))[0])
  assert.equal(client.status().RDS?.state, 'SYNCED')
})

test('an answer with an old nonce is no answer', () => {
  const client = deltaClient()
  client.subscribe('cds')
  const [first] = client.next(world({ cds: { a: '1' } }))
  client.ack(first)
  client.next(world({ cds: { a: '2' } }))
  client.ack(first)
  assert.equal(client.status().CDS?.state, 'SENT')
})

test('clients in the same position get the same bytes, rendered once', () => {
  const renderer = createDeltaRenderer(contentHash)
  const clients = [deltaClient(renderer), deltaClient(renderer)]
  const [before, after] = [world({ cds: { a: '1' } }), world({ cds: { a: '2' } })]
  for (const resources of [before, after]) {
    const sent = clients.map((client) => {
      if (resources === before) client.subscribe('cds')
      const [message] = client.session.next(resources)
      client.ack(seen(Buffer.concat(message?.chunks ?? [])))
      return message?.chunks[0]
    })
    assert.ok(sent[0] !== undefined)
    assert.equal(sent[0], sent[1])
  }
})

test('equal content in new maps is silence', () => {
  const client = deltaClient()
  client.subscribe('cds')
  client.ack(client.next(world({ cds: { a: '1' } }))[0])
  assert.deepEqual(client.next(world({ cds: { a: '1' } })), [])
})

test('a client may not make us remember without bound', () => {
  const client = deltaClient()
  const many = Array.from({ length: 100_001 }, (_, index) => `n${index}`)
  assert.match(client.session.receiveDelta({ typeUrl: ENDPOINT_TYPE, resourceNamesSubscribe: many }) ?? '', /more than 100000/)
  const types = deltaClient().session
  const reasons = Array.from({ length: 33 }, (_, index) => types.receiveDelta({ typeUrl: `t${index}` }))
  assert.match(reasons.at(-1) ?? '', /more than 32/)
})

function sotwClient() {
  const session = new ClientSession('state-of-the-world', createDeltaRenderer(contentHash), createInterestBook())
  const read = (bytes: Buffer): DiscoveryResponse => {
    const response = fullCodec.decode('envoy.service.discovery.v3.DiscoveryResponse', bytes, { keepAny: true })
    assert.ok(response.ok)
    return response.value
  }
  return { session, next: (resources: ServedResources) => session.next(resources).map(({ chunks }) => read(Buffer.concat(chunks))) }
}

test('state of the world: everything of a type each time it changes, nothing when it does not', () => {
  const client = sotwClient()
  client.session.receiveSotw({ typeUrl: CLUSTER_TYPE })
  const [first] = client.next(world({ cds: { a: '1', b: '1' } }))
  assert.equal(first?.resources?.length, 2)
  client.session.receiveSotw({ typeUrl: CLUSTER_TYPE, versionInfo: first.versionInfo, responseNonce: first.nonce })
  assert.deepEqual(client.next(world({ cds: { a: '1', b: '1' } })), [])
  assert.equal(client.next(world({ cds: { a: '2', b: '1' } }))[0]?.resources?.length, 2)
})

test('state of the world: named resources only, more on request, a refusal is kept and not repeated', () => {
  const client = sotwClient()
  client.session.receiveSotw({ typeUrl: ENDPOINT_TYPE, resourceNames: ['a'] })
  const resources = world({ eds: { a: '1', b: '1' } })
  const [first] = client.next(resources)
  assert.equal(first?.resources?.length, 1)
  client.session.receiveSotw({
    typeUrl: ENDPOINT_TYPE,
    resourceNames: ['a', 'b'],
    responseNonce: first.nonce,
    versionInfo: first.versionInfo,
  })
  const [second] = client.next(resources)
  assert.equal(second?.resources?.length, 2)
  client.session.receiveSotw({
    typeUrl: ENDPOINT_TYPE,
    resourceNames: ['a', 'b'],
    responseNonce: second.nonce,
    errorDetail: { code: 13, message: 'no' },
  })
  assert.deepEqual(client.next(resources), [])
  assert.equal(typeStatuses(client.session.subscriptions).EDS?.state, 'REJECTED')
})

test('state of the world: a client that comes back with the present version is sent nothing', () => {
  const before = sotwClient()
  before.session.receiveSotw({ typeUrl: CLUSTER_TYPE })
  const [first] = before.next(world({ cds: { a: '1' } }))
  const again = sotwClient()
  again.session.receiveSotw({ typeUrl: CLUSTER_TYPE, versionInfo: first?.versionInfo })
  assert.deepEqual(again.next(world({ cds: { a: '1' } })), [])
})

function heldOf(versions: Readonly<Record<string, string>>): Held {
  return new Map(Object.entries(versions).map(([name, version]) => [name, { version }]))
}
