// The Kubernetes API server of the user's kubeconfig, for commands that ask it. A failure is a sentence, not an exception.
import { createKubeClient, type KubeClient } from '../kube/client.ts'
import { loadConnection } from '../kube/load-connection.ts'
import type { CliContext } from './command.ts'

export type Connected = { readonly ok: true; readonly client: KubeClient } | { readonly ok: false; readonly message: string }

export async function connect(
  { kubeconfig, context: name }: { readonly kubeconfig?: string; readonly context?: string },
  context: CliContext,
): Promise<Connected> {
  const { clock, env } = context
  const connection = await loadConnection({ clock, env, kubeconfig, context: name })
  if (!connection.ok) return { ok: false, message: connection.failure.message }
  return { ok: true, client: createKubeClient(connection.value, { clock, userAgent: `lateen-cli/${context.version}`, timeoutMs: 10_000 }) }
}
