// The mesh's settings: what the control plane was started with, and over it the MeshConfig of the root namespace. Before all passes.
// Invariant: one MeshConfig is in force, the oldest; identities stay those of the authority that issues them, whatever it says.
import { type Finding, finding } from '../../api/finding.ts'
import type { MeshConfig, MeshConfigSpec } from '../../api/generated/mesh-config.gen.ts'
import { isRecord } from '../../api/record.ts'
import type { MeshSettings } from '../../model/mesh-settings.ts'
import { describeOrigin } from '../../model/origin.ts'
import { durationMs } from './duration-ms.ts'
import { meshDefaults } from './mesh-defaults.ts'
import { byAge, originOf } from './mesh-draft.ts'

export interface CompiledSettings {
  readonly settings: MeshSettings
  readonly findings: readonly Finding[]
}

/** @param settings what the control plane was started with. */
export function meshSettings(objects: ReadonlyMap<string, MeshConfig>, settings: MeshSettings): CompiledSettings {
  const findings: Finding[] = []
  let inForce: MeshConfig | undefined
  for (const object of [...objects.values()].sort(byAge)) {
    if (object.metadata.namespace !== settings.rootNamespace) {
      findings.push(finding('LTN0232', object, '', { namespace: settings.rootNamespace }))
    } else if (inForce === undefined) {
      inForce = object
    } else {
      findings.push(finding('LTN0205', object, '', { what: 'the mesh', winner: describeOrigin(originOf(inForce)) }))
    }
  }
  if (inForce === undefined) return { settings, findings }
  return { settings: withConfig(settings, inForce.spec), findings: [...findings, ...findingsOf(inForce, settings)] }
}

/** What this control plane cannot change while it runs, and what is not the JSON that it should be. */
function findingsOf(object: MeshConfig, settings: MeshSettings): readonly Finding[] {
  const { spec } = object
  const findings: Finding[] = []
  for (const field of ['trustDomain', 'rootNamespace'] as const) {
    const written = spec[field] ?? ''
    if (written === '' || written === settings[field]) continue
    findings.push(finding('LTN0233', object, `spec.${field}`, { field, written, inForce: settings[field] }))
  }
  if (spec.outboundTrafficPolicy?.mode === 'ALLOW_ANY_DYNAMIC_DNS') {
    findings.push(finding('LTN0102', object, 'spec.outboundTrafficPolicy.mode', { field: 'ALLOW_ANY_DYNAMIC_DNS (ALLOW_ANY is)' }))
  }
  const { accessLogFormat = '' } = spec
  if (spec.accessLogEncoding === 'JSON' && accessLogFormat !== '' && jsonFormatOf(accessLogFormat) === undefined) {
    const reason = 'with JSON encoding it must be a JSON object; the default fields are logged'
    findings.push(finding('LTN0147', object, 'spec.accessLogFormat', { field: 'accessLogFormat', reason }))
  }
  return findings
}

function withConfig(base: MeshSettings, spec: MeshConfigSpec): MeshSettings {
  const { outboundTrafficPolicy, defaultServiceExportTo, defaultVirtualServiceExportTo, defaultDestinationRuleExportTo } = spec
  const { service, virtualService, destinationRule } = base.defaultExportTo
  return {
    ...base,
    ...meshDefaults(base, spec),
    accessLog: accessLogOf(base, spec),
    outboundTraffic: outboundTrafficOf(outboundTrafficPolicy?.mode) ?? base.outboundTraffic,
    trustDomainAliases: spec.trustDomainAliases ?? base.trustDomainAliases,
    automaticMutualTls: spec.enableAutoMtls ?? base.automaticMutualTls,
    connectTimeoutMs: durationMs(spec.connectTimeout) ?? base.connectTimeoutMs,
    dnsRefreshMs: durationMs(spec.dnsRefreshRate) ?? base.dnsRefreshMs,
    defaultExportTo: {
      service: filled(defaultServiceExportTo) ?? service,
      virtualService: filled(defaultVirtualServiceExportTo) ?? virtualService,
      destinationRule: filled(defaultDestinationRuleExportTo) ?? destinationRule,
    },
  }
}

/** An empty file switches the log off; a format alone changes the log that there is. */
function accessLogOf({ accessLog }: MeshSettings, spec: MeshConfigSpec): MeshSettings['accessLog'] {
  const { accessLogFile, accessLogFormat = '', accessLogEncoding } = spec
  const path = accessLogFile ?? accessLog?.path
  if (path === undefined || path === '') return undefined
  if (accessLogEncoding !== 'JSON') return { path, format: accessLogFormat === '' ? accessLog?.format : accessLogFormat }
  return { path, format: undefined, json: jsonFormatOf(accessLogFormat) ?? 'default' }
}

/** Undefined: that is none. */
function jsonFormatOf(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const parsed: unknown = JSON.parse(text)
    return isRecord(parsed) ? parsed : undefined
  } catch {
    return undefined
  }
}

function outboundTrafficOf(mode: string | undefined): MeshSettings['outboundTraffic'] | undefined {
  if (mode === undefined) return undefined
  return mode === 'REGISTRY_ONLY' ? 'registry-only' : 'allow-any'
}

function filled(exportTo: readonly string[] | undefined): readonly string[] | undefined {
  return exportTo === undefined || exportTo.length === 0 ? undefined : exportTo
}
