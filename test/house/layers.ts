// The architecture as one table: who may import whom, which package may be used where, and who may touch the process.
// layers.test.ts applies it to every file under src and quotes it when it fails.

/** Folder under src -> the folders and files that it may import (its own is always allowed). */
export const LAYERS: Readonly<Record<string, readonly string[]>> = {
  // level 0
  base: [],
  // level 1
  api: ['base'],
  identity: ['base'],
  envoy: ['base'],
  // level 2
  model: ['base', 'identity'],
  kube: ['base', 'api'],
  // level 3: never each other
  operator: ['base', 'api', 'identity', 'model', 'kube'],
  webhook: ['base', 'api', 'identity', 'envoy', 'model', 'kube'],
  ca: ['base', 'identity', 'kube'],
  xds: ['base', 'identity', 'model', 'envoy'],
  proxy: ['base', 'identity', 'envoy'],
  capture: ['base'],
  // level 4
  standalone: ['base', 'api', 'identity', 'envoy', 'model', 'operator', 'xds', 'ca'],
  cli: [
    'base',
    'api',
    'identity',
    'envoy',
    'model',
    'kube',
    'operator/compile',
    'operator/analyze',
    'operator/ingest/kube-state.ts',
    'operator/ingest/locate.ts',
    'operator/ingest/merge.ts',
    'xds/view',
    'xds/generate',
    'proxy/decide',
    'standalone',
    'webhook',
  ],
  console: ['base', 'proxy/decide'],
  // level 5: composition roots
  bin: ['*'],
}

/** Package -> the places (folder or file prefixes under src) that may import it. */
export const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  '@kubernetes/client-node': ['kube/load-connection.ts'],
  commander: ['cli', 'bin'],
  koffi: ['proxy/sockets', 'proxy/overload'],
  re2js: ['base/regex.ts'],
  yaml: ['api', 'cli', 'standalone', 'webhook', 'envoy/yaml-to-json.ts'],
}

/** What only one place may touch, so that time, chance and the process stay in the hands of tests. */
export const GATES: readonly { readonly what: RegExp; readonly allowed: readonly string[]; readonly why: string }[] = [
  { what: /\bDate\.now\(|\bperformance\.now\(|\bset(?:Timeout|Interval)\(/, allowed: ['base/clock.ts'], why: 'take a Clock' },
  { what: /\bMath\.random\b/, allowed: ['base/random.ts'], why: 'take a Random' },
  {
    what: /\bprocess\.(?:env|exit|on|once|argv|stdin|stdout|stderr)\b/,
    allowed: ['bin/'],
    why: 'bin passes options, streams and signals in',
  },
]
