// The pods that workloads in a file would have: selectors and subsets are checked against their labels and ports, as if they ran. Called by
// analyze.ts. One pod per template, taken as injected: whether it is depends on the namespace, which a file does not know.
// Invariant: nothing is said of these pods themselves; they are no object that somebody wrote.
import { parseAllDocuments } from 'yaml'
import type { Pod, PodPort } from '../api/generated/pod.gen.ts'
import { isRecord } from '../api/record.ts'
import { podTemplatesOf } from '../webhook/pod-templates.ts'

const HAS_TEMPLATE = /\bkind\b["']?\s*:\s*["']?(?:Deployment|StatefulSet|DaemonSet|ReplicaSet|ReplicationController|Job|CronJob)\b/
const MAX_ALIASES = 100

export function templatePods(texts: readonly string[], defaultNamespace: string): readonly Pod[] {
  const pods: Pod[] = []
  for (const template of texts
    .filter((text) => HAS_TEMPLATE.test(text))
    .flatMap(documentsOf)
    .flatMap(podTemplatesOf)) {
    const { value, workload, namespace = defaultNamespace } = template
    if (workload === undefined) continue
    const metadata = isRecord(value.metadata) ? value.metadata : {}
    const count = pods.length + 1
    pods.push({
      ...{ apiVersion: 'v1', kind: 'Pod' },
      metadata: {
        name: `${workload.name}-template-${count}`,
        namespace,
        labels: textsOf(metadata.labels),
        annotations: { ...textsOf(metadata.annotations), 'sidecar.istio.io/status': '{}' },
      },
      spec: specOf(value.spec),
      status: { phase: 'Running', podIP: `10.255.${(count >> 8) & 255}.${count & 255}` },
    })
  }
  return pods
}

/** What cannot be read is said by who reads the objects. */
function documentsOf(text: string): readonly unknown[] {
  const parsed = parseAllDocuments(text, { merge: true, logLevel: 'error' })
  return (Array.isArray(parsed) ? parsed : []).flatMap((document) => {
    if (document.errors.length > 0) return []
    try {
      return [document.toJS({ maxAliasCount: MAX_ALIASES })]
    } catch {
      return []
    }
  })
}

/** What the mesh reads of it. */
function specOf(written: unknown): Pod['spec'] {
  const { serviceAccountName, containers, initContainers } = isRecord(written) ? written : {}
  return {
    ...(typeof serviceAccountName === 'string' ? { serviceAccountName } : {}),
    containers: [...listOf(containers), ...listOf(initContainers)].map(({ ports }) => ({ ports: listOf(ports).flatMap(portOf) })),
  }
}

function portOf({ name, containerPort, protocol }: Readonly<Record<string, unknown>>): readonly PodPort[] {
  if (typeof containerPort !== 'number' || (protocol !== undefined && protocol !== 'TCP')) return []
  return [{ ...(typeof name === 'string' ? { name } : {}), containerPort }]
}

function listOf(value: unknown): readonly Readonly<Record<string, unknown>>[] {
  return Array.isArray(value) ? value.filter(isRecord) : []
}

function textsOf(value: unknown): Readonly<Record<string, string>> {
  if (!isRecord(value)) return {}
  return Object.fromEntries(Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'))
}
