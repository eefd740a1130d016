// Every annotation of Istio's that a pod may have: honoured, or reported with what there is instead. A table; reading and docs/injection.md
// come from it. Called by settle-pod.ts. Invariant: an annotation that looks like one of the mesh's and is not in the table is reported
// too (a slip of the pen), and a value that cannot be meant refuses the pod with a sentence, as in Istio.
import { parse } from 'yaml'
import { isRecord } from '../api/record.ts'
import { parseCidr } from '../base/cidr.ts'
import { errorMessage } from '../base/errors.ts'
import { suggest } from '../base/suggest.ts'
import { isQuantity } from './injector-config.ts'
import type { Texts, Volume } from './pod.ts'
import type { Draft } from './pod-settings.ts'
import { applyProxyConfig, type Complain, setControlPlane, setInterception, setPort } from './proxy-config.ts'

type Apply = (draft: Draft, text: string, complain: Complain) => string | undefined

export interface AnnotationRow {
  readonly name: string
  readonly help: string
  /** Undefined: not honoured, and `help` says what there is instead. */
  readonly apply?: Apply
  /** Honoured elsewhere, or written by the injector itself. */
  readonly elsewhere?: true
}

const TRAFFIC = 'traffic.sidecar.istio.io/'
const SIDECAR = 'sidecar.istio.io/'
const READINESS = 'readiness.status.sidecar.istio.io/'

export const ANNOTATIONS: readonly AnnotationRow[] = [
  { name: `${SIDECAR}inject`, elsewhere: true, help: 'true or false; the label of the same name is preferred' },
  { name: `${SIDECAR}status`, elsewhere: true, help: 'Written: what injection added' },
  { name: 'istio.io/rev', elsewhere: true, help: 'Written: the revision that injected' },
  { name: 'proxy.istio.io/overrides', elsewhere: true, help: "Written: the pod's own container of the proxy's name" },
  { name: 'lateen.dev/injected', elsewhere: true, help: 'Written: what was there before, for another injection' },
  { name: 'lateen.dev/role', elsewhere: true, help: 'gateway: a pod that brings its proxy along, without injection, as one' },
  { name: 'prometheus.io/scrape', elsewhere: true, help: 'false: metrics are not merged' },
  {
    name: `${SIDECAR}proxyImage`,
    help: "Image of the proxy; used when it contains '/'",
    apply: (draft, text, { warn }) => {
      if (text.includes('/')) draft.config.image = text
      else warn(`${SIDECAR}proxyImage '${text}' has no '/', so it is a name of Istio's and is ignored; give the whole image`)
      return undefined
    },
  },
  { name: `${SIDECAR}proxyCPU`, help: "The proxy's CPU request", apply: resource('requests', 'cpu') },
  { name: `${SIDECAR}proxyMemory`, help: "The proxy's memory request", apply: resource('requests', 'memory') },
  { name: `${SIDECAR}proxyCPULimit`, help: "The proxy's CPU limit", apply: resource('limits', 'cpu') },
  { name: `${SIDECAR}proxyMemoryLimit`, help: "The proxy's memory limit", apply: resource('limits', 'memory') },
  {
    name: `${SIDECAR}interceptionMode`,
    help: 'REDIRECT, or NONE for applications that use HTTP_PROXY; TPROXY becomes REDIRECT with a warning',
    apply: (draft, text, { warn }) => setInterception(draft, text, warn),
  },
  {
    name: `${SIDECAR}nativeSidecar`,
    help: 'false: a classic sidecar; anything else: a native one',
    apply: (draft, text) => set(() => (draft.config.nativeSidecar = text === 'false' ? 'false' : 'true')),
  },
  {
    name: `${SIDECAR}rewriteAppHTTPProbers`,
    help: "Whether Kubernetes' probes go through the proxy's agent",
    apply: (draft, text) => setBoolean(text, (value) => (draft.config.rewriteProbes = value)),
  },
  { name: `${SIDECAR}discoveryAddress`, help: 'HOST:PORT of the control plane', apply: setControlPlane },
  {
    name: `${SIDECAR}userVolume`,
    help: 'JSON: name -> volume, or a list',
    apply: (draft, text) => setVolumes(text, (value) => (draft.userVolumes = value)),
  },
  {
    name: `${SIDECAR}userVolumeMount`,
    help: "JSON: name -> the proxy's mount, or a list",
    apply: (draft, text) => setVolumes(text, (value) => (draft.userVolumeMounts = value)),
  },
  { name: `${SIDECAR}logLevel`, help: "The proxy's log: trace, debug, info, warning, error, critical, off", apply: setLogLevel },
  {
    name: 'status.sidecar.istio.io/port',
    help: 'Port of probes, merged metrics and drain; 0: none, and no readiness probe of the proxy',
    apply: (draft, text) => setPort(numberOf(text), 0, (value) => (draft.config.statusPort = value)),
  },
  { name: `${READINESS}initialDelaySeconds`, help: "Of the proxy's readiness probe", apply: readiness('initialDelaySeconds') },
  { name: `${READINESS}periodSeconds`, help: "Of the proxy's readiness probe", apply: readiness('periodSeconds') },
  { name: `${READINESS}failureThreshold`, help: "Of the proxy's readiness probe", apply: readiness('failureThreshold') },
  {
    name: `${TRAFFIC}includeOutboundIPRanges`,
    help: "Ranges to capture, '*' for all, empty for none",
    apply: cidrs('includeOutboundIPRanges', true),
  },
  { name: `${TRAFFIC}excludeOutboundIPRanges`, help: 'Ranges not to capture', apply: cidrs('excludeOutboundIPRanges', false) },
  {
    name: `${TRAFFIC}includeInboundPorts`,
    help: "Inbound ports to capture, '*' for all, empty for none",
    apply: ports('includeInboundPorts', true),
  },
  {
    name: `${TRAFFIC}excludeInboundPorts`,
    help: "Inbound ports not to capture; the proxy's own are added",
    apply: ports('excludeInboundPorts', false),
  },
  {
    name: `${TRAFFIC}includeOutboundPorts`,
    help: 'Outbound ports to capture whatever the address',
    apply: ports('includeOutboundPorts', false),
  },
  { name: `${TRAFFIC}excludeOutboundPorts`, help: 'Outbound ports not to capture', apply: ports('excludeOutboundPorts', false) },
  {
    name: `${TRAFFIC}excludeInterfaces`,
    help: 'Interfaces of which nothing is captured',
    apply: (draft, text) => setInterfaces(text, () => (draft.config.excludeInterfaces = text)),
  },
  {
    name: `${TRAFFIC}kubevirtInterfaces`,
    help: "Virtual machines' interfaces; deprecated in favour of the next",
    apply: (draft, text) => setInterfaces(text, () => (draft.virtualInterfaces = text)),
  },
  {
    name: 'istio.io/reroute-virtual-interfaces',
    help: "Virtual machines' interfaces: what comes in there is outbound traffic",
    apply: (draft, text) => setInterfaces(text, () => (draft.virtualInterfaces = text)),
  },
  { name: 'proxy.istio.io/config', help: 'ProxyConfig as YAML, over the mesh default', apply: setProxyConfig },
  {
    name: 'inject.istio.io/templates',
    help: 'Templates, by comma',
    apply: (draft, text) => set(() => (draft.templates = listOf(text))),
  },
  {
    name: 'prometheus.istio.io/merge-metrics',
    help: 'Whether one scrape gives both metrics',
    apply: (draft, text) => setBoolean(text, (value) => (draft.config.mergeMetrics = value)),
  },
  { name: 'prometheus.istio.io/scrape-targets', help: 'More places of metrics: port:path, by comma', apply: setTargets },
  {
    name: `${SIDECAR}capNetBindService`,
    help: "has no effect: a sidecar's ports are above 1024; for a gateway use the template 'gateway'",
  },
  { name: `${SIDECAR}proxyImageType`, help: 'has no effect: there is one image' },
  { name: `${SIDECAR}bootstrapOverride`, help: 'has no effect: the bootstrap is generated; use proxy.istio.io/config for what can be set' },
  ...['Prefixes', 'Suffixes', 'Regexps'].map((kind) => ({
    name: `${SIDECAR}statsInclusion${kind}`,
    help: 'has no effect: metrics are bounded by themselves',
  })),
  { name: `${SIDECAR}statsHistogramBuckets`, help: 'has no effect: buckets are fixed' },
  { name: `${SIDECAR}statsHistogramBins`, help: 'has no effect: buckets are fixed' },
  { name: `${SIDECAR}statsFlushInterval`, help: 'has no effect: metrics are read, not pushed' },
  { name: `${SIDECAR}statsEvictionInterval`, help: 'has no effect: series are bounded by number' },
  { name: `${SIDECAR}statsCompression`, help: 'has no effect: metrics are not compressed' },
  { name: `${SIDECAR}extraStatTags`, help: 'has no effect: use a Telemetry resource' },
  { name: `${SIDECAR}componentLogLevel`, help: 'has no effect: the proxy has one log level, sidecar.istio.io/logLevel' },
  { name: `${SIDECAR}agentLogLevel`, help: 'has no effect: the agent is part of the proxy; use sidecar.istio.io/logLevel' },
  { name: `${READINESS}applicationPorts`, help: "has no effect: the application's readiness is its own probe's business" },
  { name: 'prometheus.istio.io/secure-port', help: 'has no effect: metrics are served in plaintext; restrict them with a NetworkPolicy' },
]

const BY_NAME = new Map(ANNOTATIONS.map((row) => [row.name, row]))
const OUR_PREFIXES = /^(?:[a-z.]*sidecar|proxy|inject|prometheus)\.istio\.io\/|^lateen\.dev\//

export function applyAnnotations(draft: Draft, annotations: Texts, complain: Complain): void {
  // The ProxyConfig first: the single annotations are the more specific word.
  const entries = Object.entries(annotations).sort(
    ([left], [right]) => Number(right === 'proxy.istio.io/config') - Number(left === 'proxy.istio.io/config'),
  )
  for (const [name, text] of entries) {
    const row = BY_NAME.get(name)
    if (row === undefined) {
      if (OUR_PREFIXES.test(name)) complain.warn(unknown(name))
    } else if (row.apply !== undefined) {
      const problem = row.apply(draft, text, complain)
      if (problem !== undefined) complain.refuse(`annotation ${name}`, `${problem}; it is '${text}'`)
    } else if (row.elsewhere !== true) {
      complain.warn(`annotation ${name} ${row.help}`)
    }
  }
}

function unknown(name: string): string {
  const close = suggest(name, [...BY_NAME.keys()])
  return `annotation ${name} is not known and has no effect${close === undefined ? '' : `; did you mean '${close}'?`}`
}

function set(action: () => void): undefined {
  action()
}

function setBoolean(text: string, action: (value: boolean) => void): string | undefined {
  if (text !== 'true' && text !== 'false') return 'must be true or false'
  action(text === 'true')
  return undefined
}

function listOf(text: string): readonly string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
}

/** A port or a count; NaN for anything else. */
function numberOf(text: string): number {
  return /^\d{1,10}$/.test(text.trim()) ? Number(text) : Number.NaN
}

function resource(kind: 'requests' | 'limits', name: 'cpu' | 'memory'): Apply {
  return (draft, text) => {
    if (!isQuantity(text)) return 'must be a quantity such as 100m or 128Mi'
    const { requests = {}, limits = {} } = draft.ownResources ?? {}
    const own = { requests, limits }
    draft.ownResources = { ...own, [kind]: { ...own[kind], [name]: text } }
    return undefined
  }
}

function readiness(field: 'initialDelaySeconds' | 'periodSeconds' | 'failureThreshold'): Apply {
  return (draft, text) => {
    const value = numberOf(text)
    if (Number.isNaN(value) || value > 2 ** 31 - 1) return 'must be a whole number'
    draft.config.readinessProbe = { ...draft.config.readinessProbe, [field]: value }
    return undefined
  }
}

function cidrs(field: 'includeOutboundIPRanges' | 'excludeOutboundIPRanges', star: boolean): Apply {
  return (draft, text) => {
    const wrong = listOf(text).find((each) => !(star && each === '*') && !(each.includes('/') && parseCidr(each) !== undefined))
    if (wrong !== undefined) return `'${wrong}' is no range such as 10.0.0.0/8`
    draft.config[field] = listOf(text).join(',')
    return undefined
  }
}

function ports(
  field: 'includeInboundPorts' | 'excludeInboundPorts' | 'includeOutboundPorts' | 'excludeOutboundPorts',
  star: boolean,
): Apply {
  return (draft, text) => {
    const given = listOf(text)
    if (!(star && text.trim() === '*')) {
      const wrong = given.find((each) => !(numberOf(each) >= 1 && numberOf(each) <= 65_535))
      if (wrong !== undefined) return `'${wrong}' is no port number`
    }
    draft.config[field] = given.join(',')
    return undefined
  }
}

/** Linux takes 15 characters, no slash and no space. */
function setInterfaces(text: string, action: () => void): string | undefined {
  const wrong = listOf(text).find((each) => !/^[^\s/]{1,15}$/.test(each))
  if (wrong !== undefined) return `'${wrong}' is no name of an interface`
  action()
  return undefined
}

function setLogLevel(draft: Draft, text: string): string | undefined {
  const level = text === 'warning' ? 'warn' : text === 'critical' ? 'error' : text
  if (!['trace', 'debug', 'info', 'warn', 'error', 'off'].includes(level))
    return 'must be trace, debug, info, warning, error, critical or off'
  draft.config.logLevel = level
  return undefined
}

function setVolumes(text: string, action: (value: readonly Volume[]) => void): string | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    return `must be JSON (${errorMessage(error)})`
  }
  const entries = Array.isArray(value)
    ? value
    : Object.entries(isRecord(value) ? value : {}).map(([name, each]) => (isRecord(each) ? { name, ...each } : each))
  if (!isRecord(value) && !Array.isArray(value)) return 'must be a JSON object or list'
  if (!entries.every((each): each is Volume => isRecord(each) && typeof each.name === 'string')) return 'must hold one JSON object per name'
  action(entries)
  return undefined
}

function setTargets(draft: Draft, text: string): string | undefined {
  const targets: { port: number; path: string }[] = []
  for (const each of listOf(text)) {
    const [, port = '', path = ''] = /^(\d+):(\/.*)$/.exec(each) ?? []
    if (!(Number(port) >= 1 && Number(port) <= 65_535)) return `'${each}' is not port:path, such as 9090:/metrics`
    targets.push({ port: Number(port), path })
  }
  draft.scrapeTargets = targets
  return undefined
}

function setProxyConfig(draft: Draft, text: string, { refuse, warn }: Complain): string | undefined {
  let value: unknown
  try {
    value = parse(text, { maxAliasCount: 0 })
  } catch (error) {
    return `must be ProxyConfig as YAML (${errorMessage(error)})`
  }
  if (value === null) return undefined
  if (!isRecord(value)) return 'must be ProxyConfig as YAML: a mapping of fields'
  applyProxyConfig(draft, value, { refuse: (field, message) => refuse(`annotation proxy.istio.io/config, ${field}`, message), warn })
  return undefined
}
