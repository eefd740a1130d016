// Every value of charts/mesh: its type and what it means. values.schema.json and the table in docs/kubernetes.md are written from it.
// Invariant: what is not here is refused by helm, so that a misspelt value is an error and not a default.
import { proxySchema } from './proxy-schema.ts'
import { choice, count, fields, kubernetes, labels, list, resources, type Schema, text, texts, toggle } from './schema-words.ts'

/** A DNS label: what a revision, a tag and a namespace must be. */
const LABEL = { pattern: '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$', maxLength: 63 }
const names = (description: string): Schema => list(description, { type: 'string', ...LABEL })

const autoscaling = fields('Number of replicas by load; the chart then leaves it to the autoscaler', {
  enabled: toggle('By profile'),
  minReplicas: count('Never fewer', 1),
  maxReplicas: count('Never more', 1),
  targetCPUUtilizationPercentage: count('Of the CPU request', 1),
})

const webhook = {
  failurePolicy: choice('What happens when no replica answers', 'Fail', 'Ignore'),
  timeoutSeconds: count('Of one call', 1, 30),
}

const servicePort = fields(
  'A port',
  {
    name: text('Name'),
    port: count('Of the Service', 1, 65_535),
    targetPort: count('On which the gateway listens; default: port', 1, 65_535),
    nodePort: count('Fixed node port', 1, 65_535),
    protocol: choice('Of the transport', 'TCP', 'UDP'),
  },
  ['name', 'port'],
)

const gateway = fields('A gateway', {
  enabled: toggle('By profile: an ingress gateway in `dev`'),
  namespace: text('Where it runs; must exist. Default: the namespace of the release', LABEL),
  labels: labels('Of its pods: what `selector` of a Gateway names'),
  replicas: count('Without autoscaling', 0),
  autoscaling,
  resources: resources('Of the proxy'),
  podAnnotations: labels('Of its pods'),
  injected: toggle('Its pods are completed by the webhook, like those of gateways of your own: with your template `gateway`, for instance'),
  nodeSelector: labels('Nodes on which it may run'),
  tolerations: kubernetes('Taints that it stands', 'array'),
  terminationGracePeriodSeconds: count('For draining'),
  service: fields('Its Service', {
    type: choice('Type', 'ClusterIP', 'NodePort', 'LoadBalancer'),
    annotations: labels('For the load balancer'),
    ports: list('What it serves', servicePort),
    externalIPs: texts('Addresses that nodes answer for'),
    loadBalancerClass: text('Which load balancer'),
    loadBalancerSourceRanges: texts('Who may connect'),
    externalTrafficPolicy: choice("Local keeps the client's address", 'Cluster', 'Local'),
  }),
})

export const valuesSchema: Schema = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  title: 'Values of the chart mesh',
  ...fields('', {
    profile: choice('Sizes and safety; see values-<profile>.yaml', 'dev', 'default', 'ha', 'restricted'),
    revision: text('Name of this control plane, for two side by side', LABEL),
    revisionTags: names('Further names by which namespaces choose it; `default` takes istio-injection=enabled over'),
    watchNamespaces: names('Namespaces in the mesh; empty: all'),
    image: fields('One image for control plane, sidecars, gateways and init containers', {
      registry: text('Put before the repository'),
      repository: text('Name'),
      tag: text("Default: the chart's appVersion"),
      digest: text('Instead of the tag', { pattern: '^(sha256:[0-9a-f]{64})?$' }),
      pullPolicy: choice('As in a container', 'Always', 'IfNotPresent', 'Never'),
      pullSecrets: texts('Names of Secrets'),
    }),
    crds: fields("Mesh kinds. They belong to one release: switch off in a second one's", {
      enabled: toggle('Install and upgrade them'),
      keep: toggle('`helm uninstall` leaves them, and what people wrote'),
    }),
    meshConfig: kubernetes("Istio's MeshConfig; read again when it changes", 'object'),
    controlPlane: fields('The control plane', {
      logLevel: choice('Log', 'trace', 'debug', 'info', 'warn', 'error', 'off'),
      replicas: count('By profile: 1, 1, 3, 2', 0),
      resources: resources('By profile'),
      pdb: fields('Disruption budget', { enabled: toggle('By profile') }),
      autoscaling,
      topologySpread: toggle('Over nodes and zones; by profile'),
      priorityClassName: text('By profile'),
      annotations: labels('Of the Deployment'),
      podAnnotations: labels('Of its pods'),
      podLabels: labels('Of its pods'),
      nodeSelector: labels('Nodes on which it may run'),
      tolerations: kubernetes('Taints that it stands', 'array'),
      affinity: kubernetes('Where it runs', 'object'),
      extraArgs: texts('Further options of `lateen control-plane`'),
      extraEnv: kubernetes('Further environment', 'array'),
      serviceAccount: fields('Its account', { annotations: labels('For cloud identities') }),
    }),
    injector: fields('The webhook that completes pods', {
      enabled: toggle('Without it: `lateen kube-inject`'),
      ...webhook,
      reinvocationPolicy: choice('Called again when a later webhook changed the pod', 'Never', 'IfNeeded'),
      enableNamespacesByDefault: toggle('Namespaces without a label are injected'),
      excludedNamespaces: names("Never injected, besides Kubernetes' own and the system namespace"),
      matchConditions: list(
        'Further CEL conditions on pods',
        fields('A condition', { name: text('Name'), expression: text('CEL') }, ['name', 'expression']),
      ),
      certificate: fields("The webhook's certificate", {
        source: choice(
          'helm: made once, kept (needs access to the cluster); certManager; secret: your own',
          'helm',
          'certManager',
          'secret',
        ),
        generation: text('Any other text makes a new one at the next upgrade (source helm)'),
        secretName: text('Secret with tls.crt and tls.key (source secret)'),
        caBundle: text('CA that signed it, PEM as base64 (source secret)'),
      }),
    }),
    validation: fields('The webhook that warns of mistakes', { enabled: toggle('`lateen analyze` says the same'), ...webhook }),
    proxy: proxySchema(),
    rbac: fields('Rights', {
      create: toggle('Make the roles'),
    }),
    secrets: fields('Which Secrets gateways may serve (credentialName)', {
      namespaces: names('In these namespaces'),
      clusterWide: toggle('In all'),
    }),
    networkPolicy: fields('NetworkPolicies of control plane and gateways', { enabled: toggle('Make them') }),
    gateways: {
      description: 'Gateways by name: lateen-<name>. There are ingressgateway and egressgateway; add your own',
      type: 'object',
      propertyNames: LABEL,
      additionalProperties: gateway,
    },
    uninstallHook: fields('Removes the webhooks before all else at uninstall', {
      enabled: toggle('Without it, webhooks go when Helm comes to them, and what the control plane has made stays'),
      keepAuthority: toggle("The authority's key stays: the next installation goes on with it"),
    }),
    extraObjects: { description: 'Further objects, as templates', type: 'array', items: { type: ['object', 'string'] } },
    global: { description: "Helm's own, for charts above this one; not read", type: 'object' },
  }),
}
