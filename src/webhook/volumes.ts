// What the proxy reads and writes: the token that proves the pod's identity, the mesh's roots, the pod's labels, and a folder for its
// certificate. Pure. The token needs no fsGroup: where the pod sets one, Kubernetes gives the file that group, which every container has;
// where all containers run as one user, that user; else everybody in the pod may read it (the projected volume's own rule).
import type { InjectorConfig } from './injector-config.ts'
import type { Json, Volume } from './pod.ts'

export const PLACES = {
  token: '/var/run/secrets/lateen/token',
  root: '/var/run/secrets/lateen/root',
  podInfo: '/etc/lateen/pod',
  state: '/var/lib/lateen',
} as const

export function proxyVolumes({ tokenAudience, tokenSeconds, rootConfigMap }: InjectorConfig): readonly Volume[] {
  const field = (name: string): Json => ({ path: name, fieldRef: { fieldPath: `metadata.${name}` } })
  return [
    {
      name: 'lateen-token',
      projected: { sources: [{ serviceAccountToken: { audience: tokenAudience, expirationSeconds: tokenSeconds, path: 'token' } }] },
    },
    { name: 'lateen-ca-root', configMap: { name: rootConfigMap } },
    { name: 'lateen-podinfo', downwardAPI: { items: [field('labels'), field('annotations')] } },
    // In memory: private keys do not touch a disk.
    { name: 'lateen-state', emptyDir: { medium: 'Memory' } },
  ]
}

export const PROXY_MOUNTS: readonly Json[] = [
  { name: 'lateen-token', mountPath: PLACES.token, readOnly: true },
  { name: 'lateen-ca-root', mountPath: PLACES.root, readOnly: true },
  { name: 'lateen-podinfo', mountPath: PLACES.podInfo, readOnly: true },
  { name: 'lateen-state', mountPath: PLACES.state },
]
