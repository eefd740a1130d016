// What a cluster is called in statistics, by the mesh's pattern with Istio's placeholders. Called by the files that make clusters.
import type { Cluster } from '../../envoy/generated/messages.gen.ts'

export interface StatNameParts {
  /** The short name within the mesh, with its namespace. */
  readonly service: string
  readonly hostname: string
  readonly subset: string
  readonly port: number
  readonly portName: string
  /** The port of the workloads. */
  readonly targetPort: number | string
}

/** Undefined: the cluster's own name, as Istio has it. */
export function statName(pattern: string | undefined, parts: StatNameParts): Pick<Cluster, 'altStatName'> {
  if (pattern === undefined) return {}
  const values: Readonly<Record<string, string>> = {
    SERVICE: parts.service,
    SERVICE_NAME: parts.service.split('.')[0] ?? '',
    SERVICE_FQDN: parts.hostname,
    SUBSET_NAME: parts.subset,
    SERVICE_PORT: String(parts.port),
    SERVICE_PORT_NAME: parts.portName,
    TARGET_PORT: String(parts.targetPort),
  }
  return { altStatName: pattern.replace(/%([A-Z_]+)%/g, (written, name: string) => values[name] ?? written) }
}
