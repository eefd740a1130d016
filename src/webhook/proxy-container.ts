// The proxy's container, as a sidecar (native or classic) or as a gateway. Pure. Invariant: no rights at all (no root, no capability, no
// writable file system), so that it passes Pod Security 'restricted'; and it is ready only when the proxy has configuration and certificate.
import { PROXY_UID } from './init-container.ts'
import type { Container, EnvVar, Json } from './pod.ts'
import type { PodSettings } from './pod-settings.ts'
import { PROXY_MOUNTS } from './volumes.ts'

export const PROXY_CONTAINER = 'lateen-proxy'
/** Names under which a pod may have a container that is meant to become the proxy's. */
export const PROXY_NAMES: readonly string[] = [PROXY_CONTAINER, 'istio-proxy']

/** Of a probe's timeout: for the way there and back. */
const ANSWER_MS = 500
/** How long an answer of the proxy's readiness is held back for a hook. */
const HELD_MS = 2_500

export type ProxyKind = 'native' | 'classic' | 'gateway'

export function proxyContainer(kind: ProxyKind, settings: PodSettings, env: readonly EnvVar[]): Container {
  const { config, ownResources, userVolumeMounts } = settings
  return {
    name: PROXY_CONTAINER,
    image: config.image,
    imagePullPolicy: config.imagePullPolicy,
    args: ['proxy'],
    ...(kind === 'native' ? { restartPolicy: 'Always' } : {}),
    ports: [{ name: 'http-envoy-prom', containerPort: config.prometheusPort, protocol: 'TCP' }],
    env,
    resources: resourcesOf(ownResources ?? config.resources),
    securityContext: {
      runAsUser: PROXY_UID,
      runAsGroup: PROXY_UID,
      runAsNonRoot: true,
      privileged: false,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
      seccompProfile: { type: 'RuntimeDefault' },
    },
    ...probesOf(kind, settings),
    ...(isHeld(kind, config) ? { lifecycle: { postStart: waitUntilReady(config.healthPort) } } : {}),
    volumeMounts: [...PROXY_MOUNTS, ...userVolumeMounts],
  }
}

/** Whether a hook of the proxy's own container keeps the others from starting. */
function isHeld(kind: ProxyKind, { holdApplicationUntilProxyStarts: asked, statusPort, healthPort }: PodSettings['config']): boolean {
  return kind === 'classic' && asked && statusPort !== 0 && healthPort !== 0
}

function resourcesOf({ requests, limits }: { readonly requests: Json; readonly limits: Json }): Json {
  return {
    ...(Object.keys(requests).length > 0 ? { requests } : {}),
    ...(Object.keys(limits).length > 0 ? { limits } : {}),
  }
}

/** A native sidecar goes first where another init container follows, which waits for it: the proxy starts while the kubelet waits for its next
 *  look. A startup probe, seen a look later, is for where there is none. */
export function initAwaitsProxy(kind: ProxyKind, { capture, statusPort, healthPort }: PodSettings['config']): boolean {
  return kind === 'native' && capture === 'init' && statusPort !== 0 && healthPort !== 0
}

function probesOf(kind: ProxyKind, { config }: PodSettings): Json {
  if (config.statusPort === 0 || config.healthPort === 0) return {}
  const httpGet = { path: '/healthz/ready', port: config.healthPort }
  const readinessProbe = { httpGet, ...config.readinessProbe }
  // A startup probe puts readiness off until it has succeeded: not where a container or a hook has waited already.
  if (kind === 'gateway' || initAwaitsProxy(kind, config) || isHeld(kind, config)) return { readinessProbe }
  // Held back until the proxy is ready, but not so long that the kubelet gives up waiting.
  const waitMs = Math.max(0, (config.startupProbe.timeoutSeconds ?? 1) * 1000 - ANSWER_MS)
  return { startupProbe: { httpGet: { ...httpGet, path: `${httpGet.path}?wait=${waitMs}` }, ...config.startupProbe }, readinessProbe }
}

/** Kubernetes starts the next container when this has ended. A hook by httpGet is tried once only, so a program asks again and again; the
 *  answer is held back until it is good. A pod is not stuck for ever without the mesh's control plane: after a minute the container begins
 *  anew, and `kubectl describe` says so. */
function waitUntilReady(healthPort: number): Json {
  const program = [
    "import { connect } from 'node:net'",
    "import { setTimeout as wait } from 'node:timers/promises'",
    'function ask() {',
    "  let text = ''",
    `  const socket = connect(${healthPort}, '127.0.0.1')`,
    `  socket.on('connect', () => socket.write('GET /healthz/ready?wait=${HELD_MS} HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\nConnection: close\\r\\n\\r\\n'))`,
    "  socket.on('data', (data) => (text += data)).on('error', () => {})",
    "  socket.on('close', () => {",
    "    if (text.startsWith('HTTP/1.1 200')) return",
    '    if (process.uptime() > 60) process.exitCode = 1',
    '    else wait(25).then(ask)',
    '  })',
    '}',
    'ask()',
  ]
  return { exec: { command: ['node', '--input-type=module', '-e', program.join('\n')] } }
}
