// Where the API server is and who we are to it. Made by load-connection.ts (kubeconfig, in-cluster) or by a test; used by transport.ts.
// Invariant: credentials are asked for again and again, never kept for long: tokens are rotated under our feet.
import type { Agent } from 'node:http'

export interface KubeCredentials {
  /** `authorization`, impersonation headers. */
  readonly headers: Readonly<Record<string, string>>
  /** PEM. Absent: the system's roots. */
  readonly ca?: string | Buffer
  /** The client's certificate and key, PEM. */
  readonly certificate?: string | Buffer
  readonly key?: string | Buffer
  readonly serverName?: string
  /** `insecure-skip-tls-verify` of a kubeconfig: the user's own decision. */
  readonly insecure?: boolean
  /** A kubeconfig's `proxy-url`: the agent that goes through it. */
  readonly agent?: Agent
}

export interface KubeConnection {
  /** `https://10.0.0.1:443`, perhaps with a path (an API server behind a gateway). */
  readonly server: URL
  /** The namespace of the kubeconfig's context, or the pod's own. */
  readonly namespace: string
  /** Where this came from, for messages: `in-cluster`, `/home/x/.kube/config (context y)`. */
  readonly source: string
  /** Throws when there are none; transport.ts turns that into a failure with reason 'Credentials'.
   *  @param refused the API server has just answered 401: what is cached is no good. */
  credentials(refused: boolean): Promise<KubeCredentials>
}

/** For a server without authentication: `kubectl proxy`, the fake API server of the tests. */
export function plainConnection(server: string, namespace = 'default'): KubeConnection {
  return { server: new URL(server), namespace, source: server, credentials: () => Promise.resolve({ headers: {} }) }
}
