// One user story: a namespace of its own in the mesh, taken away afterwards; when it fails, what happened there is printed.
import { type TestContext, test } from 'node:test'
import { apply, kubectl, list } from './kubectl.ts'

export interface Story {
  readonly namespace: string
}

export interface StoryOptions {
  /** Labels of the namespace; by default the mesh injects. */
  readonly labels?: Readonly<Record<string, string>>
  readonly timeoutMs?: number
}

const INJECTED = { 'istio-injection': 'enabled' }

/** @param name of the namespace, and the test's title is `told`. */
export function story(
  name: string,
  told: string,
  act: (story: Story, t: TestContext) => Promise<void>,
  { labels = INJECTED, timeoutMs = 300_000 }: StoryOptions = {},
): void {
  test(told, { timeout: timeoutMs }, async (t) => {
    const namespace = await namespaceOf(t, name, labels)
    try {
      await act({ namespace }, t)
    } catch (error) {
      await tellWhatHappened(namespace)
      throw error
    }
  })
}

/** For a story that needs a second one. */
export async function namespaceOf(t: TestContext, name: string, labels: Readonly<Record<string, string>> = INJECTED): Promise<string> {
  const namespace = `e2e-${name}`
  await apply([namespaceObject(namespace, labels)])
  t.after(() => kubectl('delete', 'namespace', namespace, '--wait=false'))
  return namespace
}

/** By the label a later run finds what this one leaves when it is cut short (scripts/e2e-leftovers.ts). */
export function namespaceObject(name: string, labels: Readonly<Record<string, string>> = INJECTED): object {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels: { ...labels, 'lateen.dev/e2e': 'story' } } }
}

/** Where the mesh is installed. */
export const SYSTEM = process.env.LATEEN_E2E_SYSTEM ?? 'lateen-system'

/** Events, pods, logs of everything, and the proxies' configuration. */
async function tellWhatHappened(namespace: string): Promise<void> {
  const say = async (title: string, ...args: readonly string[]): Promise<void> => {
    const text = await kubectl(...args).catch((error: unknown) => String(error))
    process.stdout.write(`\n--- ${title}\n${text.slice(-20_000)}\n`)
  }
  await say('pods', 'get', 'pods', '-A', '-o', 'wide')
  await say('events', 'get', 'events', '-n', namespace, '--sort-by=.lastTimestamp')
  await say('control plane', 'logs', '-n', SYSTEM, '-l', 'app=lateen-control-plane', '--tail=80', '--prefix')
  for (const { metadata } of (await list('pods', namespace).catch(() => [])).slice(0, 8)) {
    await say(metadata.name, 'logs', '-n', namespace, metadata.name, '--all-containers', '--tail=40', '--prefix')
    await sayFailedRequests(namespace, metadata.name)
  }
}

/** Of requests that went wrong, the access log's lines: the last lines of a busy proxy are of those that did not. */
async function sayFailedRequests(namespace: string, pod: string): Promise<void> {
  const text = await kubectl('logs', '-n', namespace, pod, '-c', 'lateen-proxy').catch(() => '')
  const lines = text.split('\n').filter((line) => / (?:warn|error) {2}|" [045]\d* /.test(line))
  process.stdout.write(
    `\n--- ${pod}: ${lines.length} warnings and failed requests\n${lines.slice(0, 10).concat(lines.slice(10).slice(-10)).join('\n')}\n`,
  )
}
