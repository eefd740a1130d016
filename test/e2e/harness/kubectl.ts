// kubectl as the tests need it: text or objects in, objects out, a reason when it fails. The cluster is the one that KUBECONFIG names.
import { spawn } from 'node:child_process'
import { stringify } from 'yaml'
import { waitFor } from '../../harness/wait.ts'

const TIMEOUT_MS = 120_000
/** kubectl costs a tenth of a second of processor time, which what is tested would miss. */
const POLL_MS = 500

export interface Ran {
  readonly stdout: string
  readonly stderr: string
}

/** Rejects with what the program said. */
export function run(program: string, args: readonly string[], input = ''): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], timeout: TIMEOUT_MS })
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString()
    })
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString()
    })
    child.on('error', reject)
    child.on('close', (code) =>
      code === 0 ? resolve({ stdout, stderr }) : reject(new Error(`${program} ${args.join(' ')}: exit ${code}: ${stderr}${stdout}`)),
    )
    child.stdin.end(input)
  })
}

export async function kubectl(...args: readonly string[]): Promise<string> {
  return (await run('kubectl', args)).stdout
}

/** The warnings of admission are in `stderr`. */
export function apply(what: string | readonly object[], namespace?: string): Promise<Ran> {
  const text = typeof what === 'string' ? what : what.map((object) => stringify(object)).join('---\n')
  return run('kubectl', ['apply', '-f', '-', ...(namespace === undefined ? [] : ['-n', namespace])], text)
}

/** What a test reads of an object; everything may be missing. */
export interface Seen {
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly generation?: number
    readonly creationTimestamp?: string
    readonly deletionTimestamp?: string
    readonly labels?: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
  }
  readonly spec?: Readonly<Record<string, unknown>>
  readonly status?: {
    readonly phase?: string
    readonly podIP?: string
    readonly conditions?: readonly Condition[]
    readonly containerStatuses?: readonly ContainerStatus[]
    readonly initContainerStatuses?: readonly ContainerStatus[]
    readonly succeeded?: number
  }
  readonly data?: Readonly<Record<string, string>>
}

export interface Condition {
  readonly type: string
  readonly status: string
  readonly reason?: string
  readonly message?: string
  readonly observedGeneration?: number
  readonly lastTransitionTime?: string
}

export interface ContainerStatus {
  readonly name: string
  readonly ready: boolean
  readonly restartCount: number
  readonly containerID?: string
}

export async function get(kind: string, name: string, namespace: string): Promise<Seen> {
  return JSON.parse(await kubectl('get', kind, name, '-n', namespace, '-o', 'json')) as Seen
}

export async function list(kind: string, namespace: string, selector = ''): Promise<readonly Seen[]> {
  const text = await kubectl('get', kind, '-n', namespace, '-o', 'json', ...(selector === '' ? [] : ['-l', selector]))
  return (JSON.parse(text) as { readonly items: readonly Seen[] }).items
}

/** Ready and not on its way out. */
export async function readyPods(namespace: string, selector: string): Promise<readonly Seen[]> {
  return readyOf(await list('pods', namespace, selector))
}

function readyOf(pods: readonly Seen[]): readonly Seen[] {
  return pods.filter(
    ({ metadata, status }) =>
      metadata.deletionTimestamp === undefined &&
      status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true,
  )
}

/** Waits for so many ready pods and no others. */
export function awaitPods(namespace: string, selector: string, count: number): Promise<readonly Seen[]> {
  return waitFor(
    async () => {
      const all = await list('pods', namespace, selector)
      const ready = readyOf(all)
      return ready.length === count && all.length === count && ready
    },
    { what: `${count} pods ${selector} of ${namespace}`, timeoutMs: 120_000, pollMs: POLL_MS },
  )
}

export function awaitCondition(
  kind: string,
  name: string,
  namespace: string,
  holds: (condition: Condition) => boolean,
  what: string,
): Promise<Condition> {
  return waitFor(async () => (await get(kind, name, namespace)).status?.conditions?.find(holds), {
    what: `${kind} ${namespace}/${name}: ${what}`,
    timeoutMs: 30_000,
    pollMs: POLL_MS,
  })
}
