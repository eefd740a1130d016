// The agent's ports wired to the running proxy, and what a pod adds to a bootstrap. Called by proxy-process.ts and proxy.ts.
import { errorMessage } from '../base/errors.ts'
import type { AgentSettings } from '../envoy/agent-settings.ts'
import type { Bootstrap, Node } from '../envoy/generated/messages.gen.ts'
import { parseNodeId } from '../envoy/names.ts'
import { type AgentServers, startAgentServers } from '../proxy/agent/agent-servers.ts'
import type { AgentState } from '../proxy/agent/agent-state.ts'
import { readPodLabels } from '../proxy/agent/pod-info.ts'
import type { DataSide } from './proxy-data-side.ts'

/** The ports, or a sentence why they cannot be opened. */
export async function openAgent(
  settings: AgentSettings,
  node: Node | undefined,
  dataSide: DataSide,
  parts: Pick<AgentState, 'readiness' | 'drain' | 'quit' | 'clock' | 'log'>,
): Promise<AgentServers | string> {
  const podAddress = parseNodeId(node?.id ?? '')?.address ?? '127.0.0.1'
  try {
    const servers = await startAgentServers({
      settings,
      podAddress,
      collect: () => dataSide.collect(),
      families: () => dataSide.families(),
      ...parts,
    })
    const { metrics } = servers
    dataSide.registry.observe('counter', 'lateen_agent_scrapes_total', "Reads of the application's metrics.", () => [
      { value: metrics.scrapes },
    ])
    dataSide.registry.observe('counter', 'lateen_agent_scrape_failures_total', "Reads of the application's metrics that failed.", () => [
      { value: metrics.failures },
    ])
    return servers
  } catch (error) {
    return `a port of the agent cannot be opened: ${errorMessage(error)}; choose others in LATEEN_AGENT (statusPort, healthPort, prometheusPort)`
  }
}

/** Labels that the pod has and the bootstrap does not: it was made before they were known. What the bootstrap says wins. */
export function withPodLabels(bootstrap: Bootstrap, settings: AgentSettings | undefined): Bootstrap {
  if (settings?.podInfo === undefined || bootstrap.node === undefined) return bootstrap
  const { metadata = {} } = bootstrap.node
  const known = typeof metadata.LABELS === 'object' && metadata.LABELS !== null ? metadata.LABELS : {}
  const LABELS = { ...readPodLabels(settings.podInfo), ...known }
  return Object.keys(LABELS).length === 0 ? bootstrap : { ...bootstrap, node: { ...bootstrap.node, metadata: { ...metadata, LABELS } } }
}
