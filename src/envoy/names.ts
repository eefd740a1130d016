// The only owner of names on the wire, encode beside decode, in Istio's forms, so that dashboards, `istioctl` habits and a
// stock Envoy's statistics keep their meaning. Subset names have no `|` and no `_.`: both ends rely on it.

export interface ClusterName {
  readonly direction: 'outbound' | 'inbound'
  readonly port: number
  /** Empty: the whole service. */
  readonly subset: string
  /** Empty for inbound. */
  readonly host: string
}

/** Traffic to a destination that the mesh does not know goes out as the client addressed it. */
export const PASSTHROUGH_CLUSTER = 'PassthroughCluster'
/** No endpoints: traffic that must not leave. */
export const BLACK_HOLE_CLUSTER = 'BlackHoleCluster'
export const INBOUND_PASSTHROUGH_CLUSTER = 'InboundPassthroughCluster'

/** The listeners that iptables redirects to: 15001 and 15006. */
export const VIRTUAL_OUTBOUND = 'virtualOutbound'
export const VIRTUAL_INBOUND = 'virtualInbound'

/** SDS names of the workload's own certificate and of the trust bundle. */
export const WORKLOAD_SECRET = 'default'
export const ROOT_SECRET = 'ROOTCA'

/** Istio's form of a Kubernetes secret; the authorities of one are called '<name>-cacert'. */
const CREDENTIAL = 'kubernetes://'
/** Ours, for a secret that is named as a holder of authorities: the same secret may hold a certificate for somebody else. */
const AUTHORITIES = 'kubernetes-ca://'
const AUTHORITIES_SUFFIX = '-cacert'

export interface CredentialRef {
  readonly part: 'pair' | 'authorities'
  /** Secrets to look in, the first one that there is. */
  readonly secrets: readonly string[]
}

export function credentialSecretName(secret: string): string {
  return `${CREDENTIAL}${secret}`
}

export function authoritiesSecretName(secret: string): string {
  return `${AUTHORITIES}${secret}`
}

/** Undefined: not the name of a credential of users. */
export function parseCredentialSecretName(name: string): CredentialRef | undefined {
  if (name.startsWith(AUTHORITIES)) return { part: 'authorities', secrets: [name.slice(AUTHORITIES.length)] }
  if (!name.startsWith(CREDENTIAL)) return undefined
  const secret = name.slice(CREDENTIAL.length)
  if (!secret.endsWith(AUTHORITIES_SUFFIX)) return { part: 'pair', secrets: [secret] }
  // Authorities may stand beside the certificate that they are for.
  return { part: 'authorities', secrets: [secret, secret.slice(0, -AUTHORITIES_SUFFIX.length)] }
}

export function outboundClusterName(port: number, subset: string, host: string): string {
  return `outbound|${port}|${subset}|${host}`
}

export function inboundClusterName(port: number): string {
  return `inbound|${port}||`
}

/** undefined for names of other forms: built-in clusters, a foreign control plane's, a user's static ones. */
export function parseClusterName(name: string): ClusterName | undefined {
  const [direction, portText, subset, host, ...rest] = name.split('|')
  if ((direction !== 'outbound' && direction !== 'inbound') || subset === undefined || host === undefined || rest.length > 0)
    return undefined
  const port = parsePort(portText)
  return port === undefined ? undefined : { direction, port, subset, host }
}

/** What a client's TLS hello says, so that a passthrough gateway can route without decrypting: `|` is not legal in a DNS name. */
export function outboundSni(port: number, subset: string, host: string): string {
  return `outbound_.${port}_.${subset}_.${host}`
}

export function parseOutboundSni(sni: string): ClusterName | undefined {
  const [direction, portText, subset, ...host] = sni.split('_.')
  if (direction !== 'outbound' || subset === undefined || host.length === 0) return undefined
  const port = parsePort(portText)
  return port === undefined ? undefined : { direction, port, subset, host: host.join('_.') }
}

/** `10.0.0.7_9080`, `0.0.0.0_9080`, `2001:db8::1_9080`. */
export function listenerName(address: string, port: number): string {
  return `${address}_${port}`
}

export function parseListenerName(name: string): { readonly address: string; readonly port: number } | undefined {
  const at = name.lastIndexOf('_')
  const port = parsePort(name.slice(at + 1))
  return at <= 0 || port === undefined ? undefined : { address: name.slice(0, at), port }
}

/** Routes shared by every HTTP service of a port in a sidecar: `9080`. A service with a listener of its own: `host:port`. */
export function routeConfigName(port: number, host?: string): string {
  return host === undefined ? String(port) : `${host}:${port}`
}

export function parseRouteConfigName(name: string): { readonly port: number; readonly host?: string } | undefined {
  const at = name.lastIndexOf(':')
  const port = parsePort(name.slice(at + 1))
  if (port === undefined || at === 0) return undefined
  return at < 0 ? { port } : { port, host: name.slice(0, at) }
}

export function inboundRouteConfigName(port: number): string {
  return inboundClusterName(port)
}

export function gatewayHttpRouteConfigName(port: number): string {
  return `http.${port}`
}

export function gatewayHttpsRouteConfigName(port: number, portName: string, gateway: string, namespace: string): string {
  return `https.${port}.${portName}.${gateway}.${namespace}`
}

/** `reviews.default.svc.cluster.local:9080`, the name of the virtual host of one service port. */
export function virtualHostName(host: string, port: number): string {
  return `${host}:${port}`
}

/** A virtual host as a resource of its own (VHDS): `9080/reviews.default.svc.cluster.local:9080`. Envoy finds the table by what stands
 *  before the last slash, and forgets a host by the name inside the message, which must be the same. */
export function virtualHostResourceName(table: string, virtualHost: string): string {
  return `${table}/${virtualHost}`
}

export function tableOfVirtualHost(resourceName: string): string {
  return resourceName.slice(0, Math.max(0, resourceName.lastIndexOf('/')))
}

function parsePort(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,5}$/.test(text)) return undefined
  const port = Number(text)
  return port <= 65535 ? port : undefined
}

/** Who a proxy says it is: `sidecar~10.0.0.7~reviews-v1.default~default.svc.cluster.local`. */
export interface NodeId {
  readonly type: 'sidecar' | 'router'
  readonly address: string
  readonly workload: string
  readonly namespace: string
  /** What short names of the workload's namespace end in. */
  readonly domain: string
}

export function nodeId(node: NodeId): string {
  return `${node.type}~${node.address}~${node.workload}.${node.namespace}~${node.domain}`
}

/** The namespace is what follows the last dot: names of workloads may have dots, namespaces may not. */
export function parseNodeId(id: string): NodeId | undefined {
  const [type, address, name, domain, ...rest] = id.split('~')
  if ((type !== 'sidecar' && type !== 'router') || address === undefined || name === undefined || domain === undefined || rest.length > 0)
    return undefined
  const at = name.lastIndexOf('.')
  if (at <= 0 || at === name.length - 1) return undefined
  return { type, address, workload: name.slice(0, at), namespace: name.slice(at + 1), domain }
}

/** The route configuration of a proxy's HTTP_PROXY listener. */
export const HTTP_PROXY_ROUTES = 'http_proxy'
