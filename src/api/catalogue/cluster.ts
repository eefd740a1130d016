// LTN0500-0599: the cluster that the mesh runs in. Not found in users' objects but in what the API server answers, by the control plane while
// it runs (bin/control-plane/kubernetes/cluster-findings.ts).
import type { CatalogueEntry } from './entry.ts'

export const clusterCatalogue = {
  LTN0501: {
    severity: 'error',
    title: "A root ConfigMap that is not the mesh's",
    what: "the namespace '{namespace}' has a ConfigMap '{name}' that is not ours, so it is left alone",
    why: 'Injected pods mount it: those of this namespace trust whatever it holds, and may not be able to reach the control plane.',
    fix: 'Delete it, or hand it over with the label app.kubernetes.io/managed-by=lateen.',
    example: '# kubectl create configmap lateen-ca-root-cert, before the namespace was in the mesh',
  },
  LTN0502: {
    severity: 'warning',
    title: 'Kinds that the cluster does not serve',
    what: 'the cluster does not serve {kinds}, which count as empty',
    why: 'Their CRDs are not installed, so nobody can create such objects.',
    fix: 'Install the CRDs: helm upgrade with crds.enabled=true, or kubectl apply -f crds/.',
    example: '# a cluster without the CRD of WorkloadGroup',
  },
  LTN0503: {
    severity: 'error',
    title: 'A kind that the control plane cannot read',
    what: '{kind} objects cannot be read: {because}',
    why: 'What is known of them stays in force, and no change of them is seen. A control plane that starts does not get ready.',
    fix: 'Give its ServiceAccount the rights that the chart gives (charts/mesh, templates/rbac.yaml).',
    example: '# the ClusterRole of the control plane was edited',
  },
} as const satisfies Readonly<Record<string, CatalogueEntry>>
