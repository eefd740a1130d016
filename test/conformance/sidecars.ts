// The sidecars that the gRPC conformance tests put before a server: one that speaks h2c on both sides, or two with mutual TLS between.
// All are closed with the test. A client connects to the port returned, and nowhere else.
import type { TestContext } from 'node:test'
import type { ProxyConfig } from '../../src/proxy/config/proxy-config.ts'
import {
  chain,
  cluster,
  downstreamTls,
  forwardTo,
  INSPECTS_TLS,
  listener,
  manager,
  proxyConfig,
  route,
  tlsChain,
  upstreamTls,
  virtualHost,
} from '../dataplane/configs.ts'
import { startProxy } from '../dataplane/peers.ts'
import { TestCa } from '../harness/certificates.ts'

const CLIENT = 'spiffe://cluster.local/ns/default/sa/client'
const SERVER = 'spiffe://cluster.local/ns/default/sa/server'

export async function oneSidecar(t: TestContext, server: number): Promise<number> {
  const sidecar = await startProxy(t, inbound(server))
  return sidecar.port
}

/** The port of the client's sidecar. */
export async function twoSidecars(t: TestContext, server: number): Promise<number> {
  const ca = new TestCa()
  const inner = await startProxy(t, inbound(server, ca))
  const outer = await startProxy(t, outbound(inner.port, ca))
  return outer.port
}

function inbound(server: number, ca?: TestCa): ProxyConfig {
  const terminal = manager(virtualHost([route('/', forwardTo('application'))]))
  const chains = ca === undefined ? [chain(terminal)] : [tlsChain(terminal, downstreamTls(ca, SERVER, { alpn: ['h2', 'http/1.1'] }))]
  return proxyConfig(
    [listener(chains, ca === undefined ? {} : { inspection: INSPECTS_TLS })],
    [cluster('application', [server], { upstreamProtocol: 'http2' })],
  )
}

function outbound(peer: number, ca: TestCa): ProxyConfig {
  const terminal = manager(virtualHost([route('/', forwardTo('peer'))]))
  const tls = upstreamTls(ca, CLIENT, [SERVER], { alpn: ['h2'] })
  return proxyConfig(
    [listener([chain(terminal)], { direction: 'outbound' })],
    [cluster('peer', [peer], { upstreamProtocol: 'http2', tls })],
  )
}
