// The init container that redirects the pod's connections to the proxy: the only place with rights (NET_ADMIN, NET_RAW, user 0). Pure.
// Invariant: every option is one of `lateen iptables` (a test asks its own parser), and the proxy's ports are never captured.
import type { Container } from './pod.ts'
import type { PodSettings } from './pod-settings.ts'

export const INIT_CONTAINER = 'lateen-init'
export const PROXY_UID = 1337
const OUTBOUND_PORT = 15_001
const INBOUND_PORT = 15_006

/** @param awaitsProxy the proxy runs before this container, and all that come after wait here until it is ready. */
export function initContainer({ config, virtualInterfaces }: PodSettings, awaitsProxy: boolean): Container {
  return {
    name: INIT_CONTAINER,
    image: config.image,
    imagePullPolicy: config.imagePullPolicy,
    args: ['iptables', ...captureOptions(config, virtualInterfaces)],
    // A variable, so that a pod which lays arguments of its own over these is held back all the same.
    ...(awaitsProxy ? { env: [{ name: 'AWAIT_PROXY', value: String(config.healthPort) }] } : {}),
    resources: config.initResources,
    securityContext: {
      runAsUser: 0,
      runAsGroup: 0,
      runAsNonRoot: false,
      privileged: false,
      allowPrivilegeEscalation: false,
      // iptables-legacy locks a file under /run.
      readOnlyRootFilesystem: false,
      capabilities: { add: ['NET_ADMIN', 'NET_RAW'], drop: ['ALL'] },
      seccompProfile: { type: 'RuntimeDefault' },
    },
  }
}

function captureOptions(config: PodSettings['config'], virtualInterfaces: string): readonly string[] {
  const own = [config.prometheusPort, config.healthPort, config.statusPort].filter((port) => port !== 0).map(String)
  const excluded = [...new Set([...own, ...listOf(config.excludeInboundPorts)])]
  const all = config.includeInboundPorts.trim() === '*'
  const included = all
    ? '*'
    : listOf(config.includeInboundPorts)
        .filter((port) => !excluded.includes(port))
        .join(',')
  const given: readonly (readonly [string, string])[] = [
    ['-p', String(OUTBOUND_PORT)],
    ['-z', String(INBOUND_PORT)],
    ['-u', String(PROXY_UID)],
    ['-m', 'REDIRECT'],
    ['-i', config.includeOutboundIPRanges],
    ['-x', config.excludeOutboundIPRanges],
    ['-b', included],
    // With a list of ports there is nothing to exclude from.
    ['-d', all ? excluded.join(',') : ''],
    ['-q', config.includeOutboundPorts],
    ['-o', config.excludeOutboundPorts],
    ['-c', config.excludeInterfaces],
    ['-k', virtualInterfaces],
  ]
  return given.filter(([, value]) => value.trim() !== '').flat()
}

function listOf(text: string): readonly string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
}
