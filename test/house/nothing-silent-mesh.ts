// The mesh in which fields are set one by one: every section of every kind has an entry to set them in. And the values that are tried.
import type { SchemaNode } from '../../src/api/schema/schema-node.ts'

export const MESH = `
apiVersion: v1
kind: Service
metadata: {name: reviews, namespace: default}
spec: {type: ClusterIP, selector: {app: reviews}, ports: [{name: http, port: 80, targetPort: web}]}
---
apiVersion: v1
kind: Node
metadata: {name: zz, labels: {topology.kubernetes.io/region: r}}
---
apiVersion: v1
kind: Pod
metadata: {name: web-0, labels: {app: web, security.istio.io/tlsMode: istio}}
spec:
  containers: [{name: web, ports: [{name: web, containerPort: 8080}]}]
  initContainers: [{name: side, ports: [{name: side, containerPort: 8081}]}]
status: {phase: Running, podIP: 10.1.0.1, podIPs: [{ip: 10.1.0.1}, {ip: 'fd00:1::1'}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, clusterIP: 10.2.0.1, ports: [{name: http, port: 80, targetPort: web}, {name: http-side, port: 81, targetPort: side}]}
---
apiVersion: v1
kind: Service
metadata: {name: sliced}
spec: {clusterIP: 10.2.0.2, ports: [{name: web, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: sliced-1, labels: {kubernetes.io/service-name: sliced}}
addressType: IPv4
ports: [{name: web, port: 8080}]
endpoints: [{addresses: [10.9.0.1], conditions: {ready: false, serving: true, terminating: true}, zone: a, targetRef: {kind: Pod, name: none}}]
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: default}
spec: {selector: {app: reviews}, ports: [{name: tcp, port: 5432, targetPort: 5432}, {name: tls, port: 443, targetPort: 8443}]}
---
apiVersion: v1
kind: Service
metadata: {name: alias, namespace: default}
spec: {type: ExternalName, externalName: reviews.default.svc.cluster.local, ports: [{name: http, port: 80}]}
---
apiVersion: lateen.dev/v1alpha1
kind: LocalWorkload
metadata: {name: reviews-v1, namespace: default, labels: {app: reviews, version: v1}}
spec: {command: [x], serviceAccount: reviews, ports: [{name: web, containerPort: 9080}, {containerPort: 5432}, {containerPort: 8443}]}
---
apiVersion: lateen.dev/v1alpha1
kind: LocalWorkload
metadata: {name: reviews-v2, namespace: default, labels: {app: reviews, version: v2}}
spec: {command: [x], serviceAccount: reviews, ports: [{name: web, containerPort: 9080}]}
---
apiVersion: lateen.dev/v1alpha1
kind: LocalWorkload
metadata: {name: neighbour, namespace: shop, labels: {app: neighbour}}
spec: {command: [x]}
---
apiVersion: lateen.dev/v1alpha1
kind: MeshConfig
metadata: {name: default, namespace: istio-system}
spec: {accessLogFile: /dev/stdout}
---
apiVersion: lateen.dev/v1alpha1
kind: LocalWorkload
metadata: {name: client, namespace: default, labels: {app: client, version: v2}}
spec: {command: [x]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: default}
spec:
  hosts: [reviews]
  http:
    - name: first
      match: [{name: m, uri: {prefix: /a}}]
      route: [{destination: {host: reviews, subset: v1, port: {number: 80}}, weight: 1}, {destination: {host: reviews}, weight: 1}]
    - route: [{destination: {host: reviews}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: action, namespace: default}
spec: {hosts: [alias], http: [{match: [{port: 80}], redirect: {uri: /x}}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: answer, namespace: default}
spec: {hosts: [answer.example.com], http: [{directResponse: {status: 204}}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: extras, namespace: default}
spec:
  hosts: [extras.example.com]
  http: [{mirror: {host: reviews}, fault: {delay: {fixedDelay: 1s, percent: 50}}, route: [{destination: {host: reviews}}]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: root, namespace: default}
spec: {hosts: [root.example.com], http: [{match: [{uri: {prefix: /a}}], delegate: {name: part}}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: part, namespace: default}
spec: {http: [{match: [{uri: {prefix: /a/b}}], route: [{destination: {host: reviews}}]}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: db, namespace: default}
spec:
  hosts: [db]
  tls: [{match: [{sniHosts: [db], port: 443}], route: [{destination: {host: db, port: {number: 443}}, weight: 1}, {destination: {host: reviews}, weight: 1}]}]
  tcp: [{match: [{port: 5432}], route: [{destination: {host: db, port: {number: 5432}}, weight: 1}, {destination: {host: reviews}, weight: 1}]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: hashed, namespace: default}
spec:
  hosts: [vms.example.com]
  http:
    - {match: [{uri: {prefix: /a}}], route: [{destination: {host: vms.example.com, subset: a}}]}
    - {route: [{destination: {host: vms.example.com}}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: tuned, namespace: default}
spec:
  hosts: [plain.example.com]
  tcp:
    - match: [{port: 9000, sourceLabels: {app: reviews}}]
      route: [{destination: {host: plain.example.com, subset: a, port: {number: 9000}}}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: default}
spec:
  selector: {app: neighbour}
  servers:
    - {port: {number: 443, name: https, protocol: HTTPS}, hosts: [edge.example.com], tls: {mode: MUTUAL, serverCertificate: /c, privateKey: /k, caCertificates: /a}}
    - {port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: named, namespace: default}
spec:
  selector: {app: neighbour}
  servers: [{port: {number: 8443, name: https, protocol: HTTPS}, hosts: [edge.example.com], tls: {mode: MUTUAL, credentialName: www}}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: several, namespace: default}
spec:
  selector: {app: neighbour}
  servers: [{port: {number: 9443, name: https, protocol: HTTPS}, hosts: [edge.example.com], tls: {mode: SIMPLE, tlsCertificates: [{serverCertificate: /c, privateKey: /k}]}}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: two, namespace: default}
spec:
  selector: {app: neighbour}
  servers: [{port: {number: 7443, name: https, protocol: HTTPS}, hosts: [edge.example.com], tls: {mode: SIMPLE, credentialNames: [a, b]}}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: plain, namespace: default}
spec:
  selector: {app: neighbour}
  servers: [{port: {number: 81, name: http, protocol: HTTP}, hosts: [edge.example.com]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: edge, namespace: default}
spec: {hosts: [edge.example.com], gateways: [edge, named, several, two, plain], http: [{route: [{destination: {host: reviews}}]}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews, namespace: default}
spec:
  host: reviews
  subsets: [{name: v1, labels: {version: v1}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: api, namespace: default}
spec:
  host: api.example.com
  trafficPolicy:
    tls: {mode: SIMPLE}
    loadBalancer: {localityLbSetting: {distribute: [{from: q, to: {a: 100}}]}}
    portLevelSettings:
      - port: {number: 443}
        tls: {mode: MUTUAL, clientCertificate: /c, privateKey: /k}
        loadBalancer: {localityLbSetting: {distribute: [{from: q, to: {a: 100}}]}}
  subsets:
    - name: a
      trafficPolicy:
        tls: {mode: SIMPLE}
        loadBalancer: {localityLbSetting: {distribute: [{from: q, to: {a: 100}}]}}
        portLevelSettings:
          - port: {number: 443}
            tls: {mode: MUTUAL, clientCertificate: /d, privateKey: /k}
            loadBalancer: {localityLbSetting: {distribute: [{from: q, to: {a: 100}}]}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: mutual, namespace: default}
spec:
  host: mutual.example.com
  trafficPolicy: {tls: {mode: MUTUAL, clientCertificate: /c, privateKey: /k}}
  subsets: [{name: a, trafficPolicy: {tls: {mode: MUTUAL, clientCertificate: /c, privateKey: /k}}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: one-way, namespace: default}
spec:
  host: internal.example.com
  trafficPolicy: {tls: {mode: SIMPLE}, portLevelSettings: [{port: {number: 8443}, tls: {mode: SIMPLE}}]}
  subsets: [{name: a, trafficPolicy: {tls: {mode: SIMPLE}, portLevelSettings: [{port: {number: 8443}, tls: {mode: SIMPLE}}]}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: tuned, namespace: default}
spec:
  host: plain.example.com
  trafficPolicy:
    tunnel: {targetHost: a.example.com, targetPort: 7}
    retryBudget: {percent: 7}
    outlierDetection: {splitExternalLocalOriginErrors: true}
    connectionPool: {http: {h2UpgradePolicy: UPGRADE, http2KeepAlive: {interval: 9s, timeout: 9s}}}
    portLevelSettings: &ports
      - port: {number: 81}
        outlierDetection: {splitExternalLocalOriginErrors: true}
        connectionPool: {http: {h2UpgradePolicy: UPGRADE, http2KeepAlive: {interval: 9s, timeout: 9s}}}
  subsets:
    - name: a
      trafficPolicy:
        tunnel: {targetHost: a.example.com, targetPort: 7}
        outlierDetection: {splitExternalLocalOriginErrors: true}
        connectionPool: {http: {h2UpgradePolicy: UPGRADE, http2KeepAlive: {interval: 9s, timeout: 9s}}}
        portLevelSettings: *ports
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: hashed, namespace: default}
spec:
  host: vms.example.com
  trafficPolicy:
    loadBalancer: {consistentHash: {httpCookie: {name: user, attributes: [{name: a, value: b}]}}}
    portLevelSettings: [{port: {number: 81}, loadBalancer: {consistentHash: {httpCookie: {name: user, attributes: [{name: a, value: b}]}}}}]
  subsets:
    - name: a
      trafficPolicy:
        loadBalancer: {consistentHash: {httpCookie: {name: user, attributes: [{name: a, value: b}]}}}
        portLevelSettings: [{port: {number: 81}, loadBalancer: {consistentHash: {httpCookie: {name: user, attributes: [{name: a, value: b}]}}}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: db, namespace: default}
spec:
  host: db
  trafficPolicy: {portLevelSettings: [{port: {number: 5432}, loadBalancer: {simple: RANDOM}}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: api, namespace: default}
spec:
  hosts: [api.example.com]
  ports: [{number: 443, name: http, protocol: HTTP, targetPort: 8443}, {number: 8444, name: http-b, protocol: HTTP}]
  location: MESH_EXTERNAL
  resolution: STATIC
  endpoints: [{address: 10.9.9.9, ports: {http: 8443}, labels: {app: api}, locality: a/b/c, weight: 2}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: mutual, namespace: default}
spec:
  hosts: [mutual.example.com]
  ports: [{number: 443, name: http, protocol: HTTP}]
  location: MESH_INTERNAL
  resolution: STATIC
  workloadSelector: {labels: {app: vm}}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: internal, namespace: default}
spec:
  hosts: [internal.example.com]
  ports: [{number: 443, name: http, protocol: HTTP}, {number: 8443, name: http-b, protocol: HTTP}]
  location: MESH_INTERNAL
  resolution: STATIC
  endpoints: [{address: 10.9.9.8, labels: {app: internal}}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: plain, namespace: default}
spec:
  hosts: [plain.example.com]
  addresses: [10.7.7.7]
  ports: [{number: 9000, name: tcp, protocol: TCP}, {number: 80, name: http, protocol: HTTP}, {number: 81, name: http-b, protocol: HTTP}]
  location: MESH_INTERNAL
  resolution: STATIC
  endpoints: [{address: 10.9.9.7, labels: {security.istio.io/tlsMode: istio}}, {address: 10.9.9.6, locality: far/away}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: vms, namespace: default}
spec:
  hosts: [vms.example.com]
  ports: [{number: 80, name: http, protocol: HTTP}, {number: 81, name: http-b, protocol: HTTP}]
  location: MESH_INTERNAL
  resolution: STATIC
  workloadSelector: {labels: {app: vm}}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: by-name, namespace: default}
spec: {hosts: [dns.example.com], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: vm, namespace: default}
spec: {address: 10.8.8.8, labels: {app: vm}, ports: {http: 8080}}
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: client, namespace: default}
spec:
  workloadSelector: {labels: {app: client}}
  ingress: [{port: {number: 80, protocol: HTTP, name: web}}]
  egress: [{port: {number: 80}, hosts: ["./*"]}, {hosts: ["shop/*"]}]
  outboundTrafficPolicy: {mode: ALLOW_ANY, egressProxy: {host: reviews.default.svc.cluster.local, port: {number: 80}}}
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: reviews, namespace: default}
spec:
  workloadSelector: {labels: {app: reviews}}
  ingress:
    - {port: {number: 8443, protocol: HTTPS, name: own}, captureMode: NONE, tls: {mode: MUTUAL, serverCertificate: /c, privateKey: /k, caCertificates: /a}}
    - {port: {number: 9080, protocol: HTTP, name: web}, captureMode: NONE, connectionPool: {tcp: {maxConnections: 9}}}
    - {port: {number: 5432, protocol: GRPC, name: grpc}}
    - {port: {number: 5433, protocol: TCP, name: tcp}}
  inboundConnectionPool: {tcp: {maxConnections: 7}}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: reviews, namespace: default}
spec: {selector: {matchLabels: {app: reviews}}, mtls: {mode: PERMISSIVE}, portLevelMtls: {9080: {mode: PERMISSIVE}}}
`

/** In force elsewhere than in what proxies are sent, each with where. */
export const SILENT_BY_NATURE: Readonly<Record<string, string>> = {
  'LocalWorkload ports[].protocol': 'TCP is the only value, and the default',
  ...startedWith('gateway', 'command[]', 'workingDirectory', 'env[].name', 'env[].value'),
  ...startedWith('publish[].port', 'publish[].host', 'publish[].containerPort'),
  ...startedWith('readinessProbe.httpGet.path', 'readinessProbe.httpGet.port', 'readinessProbe.tcpSocket.port'),
  ...startedWith('readinessProbe.periodSeconds', 'readinessProbe.timeoutSeconds', 'readinessProbe.failureThreshold'),
}

/** The supervisor's: it starts the process and asks whether it is ready. */
function startedWith(...fields: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(fields.map((field) => [`LocalWorkload ${field}`, 'the supervisor acts on it']))
}

const TEXTS: readonly string[] = [
  'tcp',
  'POST',
  '.',
  '/zz',
  'zz',
  'zz.example.com',
  '10.3.3.3',
  'v2',
  '*',
  '5xx',
  '80',
  'r/z/s',
  '/etc/ca.pem',
]
const NUMBERS: readonly number[] = [1, 2, 3, 80, 302, 418, 9080]

/** Values that are worth a try, by the schema's type. */
export function valuesFor(node: SchemaNode, leaf: string): readonly unknown[] {
  if (node.durationMinMs !== undefined) return ['7s']
  if (node.enum !== undefined) return node.enum
  if (node.intOrString === true) return [9080, 'web', 1]
  if (node.type === 'integer' || node.type === 'number') return NUMBERS
  if (node.type === 'boolean') return [true, false]
  if (node.type === 'object') return [{}]
  return leaf.endsWith('derivePort') ? ['FROM_REQUEST_PORT'] : TEXTS
}
