// What our proxy honours of Envoy's messages: the bootstrap file. See ../honoured.ts.
import type { Honoured } from './honoured-fields.ts'

export const BOOTSTRAP = {
  'envoy.config.bootstrap.v3.Bootstrap': [
    'node',
    'admin',
    'staticResources',
    'dynamicResources',
    'layeredRuntime',
    // Counters are read when they are asked for; there is nothing to flush.
    'statsFlushInterval',
  ],
  'envoy.config.bootstrap.v3.Bootstrap.StaticResources': ['listeners', 'clusters', 'secrets'],
  'envoy.config.bootstrap.v3.Bootstrap.DynamicResources': ['ldsConfig', 'cdsConfig', 'adsConfig'],
  // `access_log_path: /dev/null` and an `access_log` are accepted: requests to the loopback admin port are not logged.
  'envoy.config.bootstrap.v3.Admin': ['address', 'accessLogPath', 'accessLog'],
  'envoy.config.bootstrap.v3.LayeredRuntime': ['layers'],
  'envoy.config.bootstrap.v3.RuntimeLayer': ['name', 'staticLayer', 'adminLayer'],
  'envoy.config.bootstrap.v3.RuntimeLayer.AdminLayer': [],
} as const satisfies Honoured
