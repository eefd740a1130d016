// Telemetries against the providers of the mesh's settings: what is reported to nobody has no effect (Istio's IST0157).
import { type Finding, finding } from '../../api/finding.ts'
import type { MeshConfigSpec } from '../../api/generated/mesh-config.gen.ts'
import type { Telemetry } from '../../api/generated/telemetry.gen.ts'
import { suggest } from '../../base/suggest.ts'
import { byAge } from '../compile/mesh-draft.ts'
import type { MeshFacts } from './mesh-facts.ts'

/** Istio has these without being told. */
const BUILT_IN: readonly string[] = ['envoy', 'prometheus', 'stackdriver']

const SECTIONS = ['accessLogging', 'tracing', 'metrics'] as const

export function telemetryProviders({ state, settings }: MeshFacts): readonly Finding[] {
  const configs = [...state.objects.MeshConfig.values()].filter(({ metadata }) => metadata.namespace === settings.rootNamespace)
  const config: MeshConfigSpec = configs.sort(byAge)[0]?.spec ?? {}
  const known = new Set([...BUILT_IN, ...(config.extensionProviders ?? []).flatMap(({ name }) => (typeof name === 'string' ? [name] : []))])
  const logsByDefault = isFilled(config.defaultProviders?.accessLogging)
  return [...state.objects.Telemetry.values()].flatMap((telemetry) => withoutProvider(telemetry, known, logsByDefault))
}

function withoutProvider(telemetry: Telemetry, known: ReadonlySet<string>, logsByDefault: boolean): readonly Finding[] {
  return SECTIONS.flatMap((section) =>
    (telemetry.spec[section] ?? []).flatMap((entry, index): readonly Finding[] => {
      const { providers = [] } = entry
      const path = `spec.${section}[${index}]`
      // Writing none needs nobody who receives it.
      const isOff = 'disabled' in entry && entry.disabled === true
      if (section === 'accessLogging' && !isOff && providers.length === 0 && !logsByDefault) {
        return [
          finding('LTN0318', telemetry, path, { problem: 'the entry names no provider, and the mesh has no default one for access logs' }),
        ]
      }
      return providers.flatMap(({ name }, place) => {
        if (known.has(name)) return []
        const nearest = suggest(name, known)
        const problem = `there is no provider '${name}'${nearest === undefined ? '' : `; did you mean '${nearest}'?`}`
        return [finding('LTN0318', telemetry, `${path}.providers[${place}].name`, { problem })]
      })
    }),
  )
}

function isFilled(value: unknown): boolean {
  return Array.isArray(value) && value.length > 0
}
