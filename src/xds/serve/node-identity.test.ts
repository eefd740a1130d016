// One workload may not ask for another's configuration: the certificate and the node must agree.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fail, succeed } from '../../base/result.ts'
import { parseSpiffeId, type SpiffeId } from '../../identity/spiffe-id.ts'
import { type ProxyNode, parseProxyNode } from '../view/proxy-node.ts'
import { agreeing, whyNotNode } from './node-identity.ts'

function identity(text: string): SpiffeId {
  const parsed = parseSpiffeId(text)
  assert.ok(parsed.ok)
  return parsed.value
}

function node(id: string, serviceAccount?: string): ProxyNode {
  const metadata = serviceAccount === undefined ? {} : { metadata: { SERVICE_ACCOUNT: serviceAccount } }
  const parsed = parseProxyNode({ id, ...metadata })
  assert.ok(parsed.ok)
  return parsed.value
}

const CART = identity('spiffe://cluster.local/ns/shop/sa/cart')

test('a node of the namespace and account of its certificate is served', () => {
  assert.equal(whyNotNode(CART, node('sidecar~10.0.0.1~cart-v1.shop~shop.svc.cluster.local', 'cart')), undefined)
  assert.equal(
    whyNotNode(CART, node('sidecar~10.0.0.1~cart-v1.shop~shop.svc.cluster.local')),
    undefined,
    'a node need not name its account',
  )
})

test('a node of another namespace is refused, with both names', () => {
  const why = whyNotNode(CART, node('sidecar~10.0.0.1~cart-v1.bank~bank.svc.cluster.local', 'cart'))
  assert.match(String(why), /'bank'.*ns\/shop/)
})

test('a node of another service account is refused, with both names', () => {
  const why = whyNotNode(CART, node('sidecar~10.0.0.1~cart-v1.shop~shop.svc.cluster.local', 'till'))
  assert.match(String(why), /'till'.*sa\/cart/)
})

test('a refused certificate stays the reason, whatever the node says', () => {
  const refused = fail('certificate', 'expired')
  assert.equal(agreeing(refused, node('sidecar~10.0.0.1~cart-v1.shop~shop.svc.cluster.local', 'cart')), refused)
  assert.deepEqual(agreeing(succeed(CART), node('sidecar~10.0.0.1~cart-v1.shop~shop.svc.cluster.local', 'cart')), succeed(CART))
})
