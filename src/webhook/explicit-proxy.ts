// Without capture an application is told of the proxy as one is told of any HTTP proxy. Pure. For clusters that allow no NET_ADMIN.
// Invariant: what the pod sets itself stays, with a warning, because the mesh then does not see those calls.

import type { Container, EnvVar } from './pod.ts'
import { HTTP_PROXY_PORT } from './proxy-env.ts'

export interface ToldContainer {
  readonly container: Container
  readonly env: readonly string[]
  readonly warnings: readonly string[]
}

export function explicitProxy(container: Container): ToldContainer {
  const proxy = `http://127.0.0.1:${HTTP_PROXY_PORT}`
  // The API server authenticates by a token of its own and is no service of the mesh.
  const direct = ['127.0.0.1', 'localhost', '::1', '$(KUBERNETES_SERVICE_HOST)', 'kubernetes.default.svc'].join(',')
  const wanted: readonly EnvVar[] = [
    { name: 'HTTP_PROXY', value: proxy },
    { name: 'http_proxy', value: proxy },
    { name: 'NO_PROXY', value: direct },
    { name: 'no_proxy', value: direct },
    { name: 'NODE_USE_ENV_PROXY', value: '1' },
  ]
  const own = container.env ?? []
  const added = wanted.filter(({ name }) => !own.some((each) => each.name === name))
  const warnings = own.some(({ name }) => name.toUpperCase() === 'HTTP_PROXY')
    ? [`container ${container.name} sets HTTP_PROXY itself: without capture its calls do not pass the mesh's proxy`]
    : []
  return { container: { ...container, env: [...added, ...own] }, env: added.map(({ name }) => name), warnings }
}
