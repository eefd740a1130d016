// Every field of the injector's configuration: type, default, meaning. One table: reading, checking and docs/injection.md come from it, so
// that they cannot differ. The chart writes such a file from its values; kube-inject and tests work with the defaults.

export type FieldType =
  | { readonly type: 'text' | 'boolean' | 'texts' | 'quantities' | 'selectors' | 'templates' | 'probe' }
  | { readonly type: 'count'; readonly lowest: number; readonly highest: number }
  | { readonly type: 'choice'; readonly of: readonly string[] }
  | { readonly type: 'duration' }

export interface ConfigField {
  /** Dots separate levels of the file. */
  readonly name: string
  readonly is: FieldType
  /** Undefined: not set. */
  readonly initial: unknown
  readonly help: string
}

const port = { type: 'count', lowest: 0, highest: 65_535 } as const
const text = { type: 'text' } as const
const texts = { type: 'texts' } as const
const toggle = { type: 'boolean' } as const

export const CONFIG_FIELDS: readonly ConfigField[] = [
  { name: 'image', is: text, initial: 'lateen/lateen:0.1.0', help: 'Image of the proxy and of the init container' },
  {
    name: 'imagePullPolicy',
    is: { type: 'choice', of: ['Always', 'IfNotPresent', 'Never'] },
    initial: 'IfNotPresent',
    help: 'As in a container',
  },
  { name: 'imagePullSecrets', is: texts, initial: [], help: 'Names of Secrets, added to the pod' },
  {
    name: 'nativeSidecar',
    is: { type: 'choice', of: ['auto', 'true', 'false'] },
    initial: 'auto',
    help: 'The proxy as an init container that stays (restartPolicy Always); auto: where every node has it (Kubernetes 1.29)',
  },
  {
    name: 'capture',
    is: { type: 'choice', of: ['init', 'none'] },
    initial: 'init',
    help: 'init: an init container redirects connections; none: applications use the proxy by HTTP_PROXY, no rights are needed',
  },
  {
    name: 'logLevel',
    is: { type: 'choice', of: ['trace', 'debug', 'info', 'warn', 'error', 'off'] },
    initial: 'info',
    help: "The proxy's log",
  },
  {
    name: 'concurrency',
    is: { type: 'count', lowest: 0, highest: 64 },
    initial: 0,
    help: "Data threads of the proxy; 0: the proxy's own default, one",
  },
  {
    name: 'resources.requests',
    is: { type: 'quantities' },
    initial: { cpu: '100m', memory: '128Mi' },
    help: 'What the proxy container asks for',
  },
  {
    name: 'resources.limits',
    is: { type: 'quantities' },
    initial: { cpu: '2000m', memory: '1024Mi' },
    help: 'What the proxy container may use',
  },
  {
    name: 'initResources.requests',
    is: { type: 'quantities' },
    initial: { cpu: '10m', memory: '40Mi' },
    help: 'What the init container asks for; a pod needs the larger of this and its containers together',
  },
  {
    name: 'initResources.limits',
    is: { type: 'quantities' },
    initial: { cpu: '2000m', memory: '256Mi' },
    help: 'What the init container may use',
  },
  {
    name: 'controlPlane.address',
    is: text,
    initial: 'lateen-control-plane.lateen-system.svc:15012',
    help: 'HOST:PORT of xDS and the certificate authority',
  },
  { name: 'controlPlane.name', is: text, initial: '', help: "DNS name in the control plane's certificate; empty: the host of the address" },
  { name: 'trustDomain', is: text, initial: 'cluster.local', help: 'Of the identities in certificates' },
  { name: 'clusterDomain', is: text, initial: 'cluster.local', help: "DNS domain of the cluster's services" },
  { name: 'clusterId', is: text, initial: 'Kubernetes', help: 'Name of the cluster, as peers and metrics see it' },
  { name: 'meshId', is: text, initial: '', help: 'Name of the mesh; empty: the trust domain' },
  { name: 'network', is: text, initial: '', help: "Name of the pod's network; empty: none" },
  { name: 'revision', is: text, initial: 'default', help: "This control plane's revision" },
  { name: 'revisionTags', is: texts, initial: [], help: 'Tags that point to this revision' },
  { name: 'policy', is: { type: 'choice', of: ['enabled', 'disabled'] }, initial: 'enabled', help: 'disabled: only pods that ask for it' },
  { name: 'enableNamespacesByDefault', is: toggle, initial: false, help: 'Namespaces without a label are injected' },
  { name: 'neverInjectSelector', is: { type: 'selectors' }, initial: [], help: 'Label selectors; a pod that one matches is not injected' },
  {
    name: 'alwaysInjectSelector',
    is: { type: 'selectors' },
    initial: [],
    help: 'Label selectors; a pod that one matches is injected whatever the policy',
  },
  { name: 'statusPort', is: port, initial: 15_020, help: 'Probes, merged metrics, drain; 0: none, and no readiness probe' },
  { name: 'healthPort', is: port, initial: 15_021, help: 'Readiness of the proxy' },
  { name: 'prometheusPort', is: port, initial: 15_090, help: "The proxy's own metrics" },
  { name: 'adminPort', is: port, initial: 15_000, help: 'Admin, on loopback' },
  { name: 'includeOutboundIPRanges', is: text, initial: '*', help: "Ranges whose connections are captured; '*' all, empty none" },
  { name: 'excludeOutboundIPRanges', is: text, initial: '', help: 'Ranges that are not captured' },
  { name: 'includeOutboundPorts', is: text, initial: '', help: 'Ports that are captured whatever the address' },
  { name: 'excludeOutboundPorts', is: text, initial: '', help: 'Ports that are not captured' },
  { name: 'includeInboundPorts', is: text, initial: '*', help: "Inbound ports that are captured; '*' all, empty none" },
  { name: 'excludeInboundPorts', is: text, initial: '', help: "Inbound ports that are not captured; the proxy's own are added" },
  { name: 'excludeInterfaces', is: text, initial: '', help: 'Interfaces of which nothing is captured' },
  {
    name: 'rewriteProbes',
    is: toggle,
    initial: true,
    help: "Kubernetes' probes go through the proxy's agent, so that they work under strict mTLS",
  },
  { name: 'mergeMetrics', is: toggle, initial: true, help: "One scrape gives the proxy's and the application's metrics" },
  {
    name: 'holdApplicationUntilProxyStarts',
    is: toggle,
    initial: false,
    help: 'Classic sidecar: applications start when the proxy is ready (a native sidecar always does that)',
  },
  {
    name: 'startupProbe',
    is: { type: 'probe' },
    initial: { periodSeconds: 1, timeoutSeconds: 3, failureThreshold: 600 },
    help: "The proxy's startup probe, where neither an init container nor a hook waits for it",
  },
  {
    name: 'readinessProbe',
    is: { type: 'probe' },
    initial: { initialDelaySeconds: 0, periodSeconds: 15, timeoutSeconds: 3, failureThreshold: 4 },
    help: "The proxy's readiness probe",
  },
  { name: 'drainTime', is: { type: 'duration' }, initial: '5s', help: 'How long a proxy that is told to stop serves requests under way' },
  {
    name: 'rootConfigMap',
    is: text,
    initial: 'lateen-ca-root-cert',
    help: "ConfigMap with the mesh's root certificates, in every namespace",
  },
  { name: 'tokenAudience', is: text, initial: 'lateen-ca', help: "Audience of the token that proves the pod's identity to the authority" },
  { name: 'tokenSeconds', is: { type: 'count', lowest: 600, highest: 2 ** 32 }, initial: 43_200, help: 'Lifetime of that token' },
  { name: 'defaultTemplates', is: texts, initial: ['sidecar'], help: 'Templates of a pod that names none' },
  {
    name: 'templates',
    is: { type: 'templates' },
    initial: {},
    help: "Template name -> a piece of a pod (metadata, spec) merged in, lists by name; 'sidecar' and 'gateway' add to what is built in",
  },
]
