// The environment of an application beside its sidecar: what Kubernetes would set, with the addresses of this workload's own sidecar,
// so that a call by the usual variables, or by name through HTTP_PROXY, carries this workload's identity. Pure.
import type { OutboundAddress, WorkloadAddresses } from '../model/address-plan.ts'

export interface ApplicationEnvironmentInput {
  readonly addresses: WorkloadAddresses
  readonly namespace: string
  /** Name of the instance. */
  readonly name: string
  /** What the LocalWorkload says; it wins over everything set here but the ports, which the mesh owns. */
  readonly declared: readonly { readonly name: string; readonly value?: string }[]
  /** Of the person who runs the mesh: PATH, HOME and so on. */
  readonly inherited: Readonly<Record<string, string | undefined>>
  /** Folder of the `node` that runs the mesh: first in PATH, so that `command: [node, app.ts]` finds one that runs TypeScript. */
  readonly nodeFolder: string
}

export function applicationEnvironment(input: ApplicationEnvironmentInput): Record<string, string> {
  const { addresses, namespace, name, declared, inherited, nodeFolder } = input
  const proxy = `http://${addresses.httpProxy.host}:${addresses.httpProxy.port}`
  const own = addresses.outbound.filter((each) => !each.published && each.service.startsWith(`${namespace}/`))
  const direct = ['127.0.0.1', 'localhost', '::1', ...new Set(addresses.outbound.map(({ listen }) => listen.host))]
  return {
    ...present(withoutProxies(inherited)),
    PATH: [nodeFolder, inherited.PATH].filter((part) => part !== undefined && part !== '').join(':'),
    ...serviceVariables(own),
    HTTP_PROXY: proxy,
    http_proxy: proxy,
    NODE_USE_ENV_PROXY: '1',
    // Virtual addresses are the sidecar already; a second pass through its HTTP proxy would find no service of that name.
    NO_PROXY: direct.join(','),
    no_proxy: direct.join(','),
    POD_NAMESPACE: namespace,
    WORKLOAD_NAME: name,
    ...Object.fromEntries(declared.map((each) => [each.name, each.value ?? ''])),
    ...portVariables(addresses),
  }
}

/** `REVIEWS_SERVICE_HOST`, `REVIEWS_SERVICE_PORT`, as the kubelet sets them: the first port of each service of the own namespace. */
function serviceVariables(outbound: readonly OutboundAddress[]): Record<string, string> {
  const variables: Record<string, string> = {}
  for (const { service, port, listen } of outbound) {
    const prefix = (service.split('/')[1] ?? '').toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')
    variables[`${prefix}_SERVICE_HOST`] ??= listen.host
    variables[`${prefix}_SERVICE_PORT`] ??= String(listen.port)
    variables[`${prefix}_PORT_${port}_TCP_ADDR`] = listen.host
    variables[`${prefix}_PORT_${port}_TCP_PORT`] = String(listen.port)
  }
  return variables
}

/** PORT is the first port, PORT_9080 each of them; HOST keeps the application off the network: only its sidecar may reach it. */
function portVariables({ inbound }: WorkloadAddresses): Record<string, string> {
  const [first] = inbound
  if (first === undefined) return {}
  const each = inbound.map(({ containerPort, application }) => [`PORT_${containerPort}`, String(application.port)])
  return { HOST: first.application.host, PORT: String(first.application.port), ...Object.fromEntries(each) }
}

function withoutProxies(inherited: Readonly<Record<string, string | undefined>>): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(inherited).filter(([name]) => !/^(?:https?|no|all)_proxy$/i.test(name) && !name.startsWith('LATEEN_')),
  )
}

function present(variables: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(Object.entries(variables).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])))
}
