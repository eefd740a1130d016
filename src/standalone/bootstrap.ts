// The bootstrap of one instance's sidecar, from what standalone mode knows of it. Pure. Called by the supervisor.
import { proxyBootstrap } from '../envoy/sidecar-bootstrap.ts'
import type { HostPort, WorkloadAddresses } from '../model/address-plan.ts'

export interface BootstrapInput {
  readonly namespace: string
  /** Name of the instance; `workload` is the LocalWorkload's. */
  readonly name: string
  readonly workload: string
  readonly serviceAccount: string
  readonly labels: Readonly<Record<string, string>>
  readonly isGateway?: boolean
  readonly addresses: WorkloadAddresses
  readonly xds: HostPort
  /** What the control plane's certificate must name. */
  readonly controlPlaneSan: string
  readonly version: string
}

export function sidecarBootstrap(input: BootstrapInput): Record<string, unknown> {
  const { namespace, name, workload, serviceAccount, labels, isGateway, addresses, version } = input
  return proxyBootstrap({
    node: {
      type: isGateway === true ? 'router' : 'sidecar',
      ...{ address: addresses.address, workload: name, namespace, domain: `${namespace}.svc.cluster.local` },
    },
    cluster: `${labels.app ?? workload}.${namespace}`,
    metadata: {
      NAMESPACE: namespace,
      NAME: name,
      WORKLOAD_NAME: workload,
      LABELS: labels,
      SERVICE_ACCOUNT: serviceAccount,
      INSTANCE_IPS: addresses.address,
      CLUSTER_ID: 'Kubernetes',
      LATEEN_VERSION: version,
      CAPABILITIES: [],
    },
    admin: addresses.admin,
    xds: input.xds,
    controlPlaneSan: input.controlPlaneSan,
  })
}
