// What our proxy honours of Envoy's messages: message -> fields, by hand. The generator turns it into the proxy's codec table;
// a message or field that is not here is an error that names it, when a user or a control plane sets it.
// A field enters this list in the same change that makes it work. The few that are accepted without effect say why.
import { BOOTSTRAP } from './honoured/bootstrap.ts'
import { CLUSTERS } from './honoured/clusters.ts'
import { CORE } from './honoured/core.ts'
import { DISCOVERY } from './honoured/discovery.ts'
import type { Honoured } from './honoured/honoured-fields.ts'
import { HTTP } from './honoured/http.ts'
import { LISTENERS } from './honoured/listeners.ts'
import { RBAC } from './honoured/rbac.ts'
import { ROUTES } from './honoured/routes.ts'
import { TLS } from './honoured/tls.ts'

export const honoured: Honoured = {
  ...CORE,
  ...DISCOVERY,
  ...BOOTSTRAP,
  ...LISTENERS,
  ...HTTP,
  ...RBAC,
  ...ROUTES,
  ...CLUSTERS,
  ...TLS,
}
