// Whose objects a refused resource came from, read from its bytes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fullCodec } from '../../envoy/full-codec.ts'
import { ROUTE_TYPE } from '../../envoy/type-urls.ts'
import { metadataOf } from '../generate/metadata.ts'
import { allShared } from '../generate/resources.ts'
import { objectsIn, objectsOf } from './blame.ts'

const origin = (kind: string, name: string) => ({ apiVersion: 'networking.istio.io/v1', kind, namespace: 'default', name })

function tableOf(kind: string, name: string, path = '/'): Uint8Array {
  return fullCodec.encode('envoy.config.route.v3.RouteConfiguration', {
    name: '80',
    virtualHosts: [
      {
        name: 'a',
        domains: ['a'],
        routes: [{ match: { prefix: path }, redirect: {}, metadata: metadataOf({ origin: origin(kind, name), field: 'spec.http[0]' }) }],
      },
    ],
  })
}

test('the object is named as its kind is written, whatever the length of its name', () => {
  assert.deepEqual([...objectsIn(tableOf('VirtualService', 'a'))], ['VirtualService default/a'])
  const long = 'n'.repeat(200)
  assert.deepEqual([...objectsIn(tableOf('DestinationRule', long))], [`DestinationRule default/${long}`])
})

test('a path that a user routes is no object', () => {
  const path = '/apis/networking.istio.io/v1/namespaces/default/virtual-service/forged'
  assert.deepEqual([...objectsIn(tableOf('VirtualService', 'real', path))], ['VirtualService default/real'])
})

test('only the refused resources are read', () => {
  const resource = (name: string) => ({ version: '1', bytes: tableOf('VirtualService', name) })
  const served = allShared(
    new Map([
      [
        ROUTE_TYPE,
        new Map([
          ['80', resource('a')],
          ['90', resource('b')],
        ]),
      ],
    ]),
  )
  assert.deepEqual(objectsOf(served, ROUTE_TYPE, ['90', 'unknown']), ['VirtualService default/b'])
  assert.deepEqual(objectsOf(undefined, ROUTE_TYPE, ['90']), [])
})
