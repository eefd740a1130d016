// The status keeper in a cluster: reads what statuses say when a term as leader begins, has them written by src/kube, records Events, and
// asks the API server again now and then. Opened by the composition of a control plane in a cluster.
// Invariant: nothing is written outside a term; a term whose statuses cannot be read is one in which every status is written anew, which
// the writer compares once more.
import { type ApiObject, formatRef } from '../../api/object-meta.ts'
import type { Clock, Timer } from '../../base/clock.ts'
import { ignore } from '../../base/errors.ts'
import type { Logger } from '../../base/log.ts'
import type { Random } from '../../base/random.ts'
import type { KubeClient } from '../../kube/client.ts'
import { createEventRecorder } from '../../kube/events.ts'
import { resourceOf } from '../../kube/resource.ts'
import { createStatusWriter, type StatusCounts } from '../../kube/status-writer.ts'
import { OWN_TYPES } from './conditions.ts'
import type { StatusEvent } from './status-events.ts'
import { createStatusKeeper, type PresentStatuses, type StatusKeeperOptions } from './status-keeper.ts'
import { STATUS_KINDS } from './status-kinds.ts'

export interface KeepStatusesOptions extends Pick<StatusKeeperOptions, 'object' | 'found' | 'total'> {
  readonly client: KubeClient
  /** Of every object that is to have a status, by formatRef. */
  readonly all: () => Iterable<string>
  /** Whether this replica may write at this moment (the Lease). */
  readonly isLeader: () => boolean
  /** Undefined: every namespace. */
  readonly namespaces: readonly string[] | undefined
  /** The pod's name. */
  readonly instance: string
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

export interface KeptStatuses {
  /** A term as leader begins. Resolves when statuses have been read; never rejects. */
  lead(): Promise<void>
  resign(): void
  /** Something may be different about these. */
  touch(keys: Iterable<string>): void
  /** Events of others: trouble with certificates. */
  tell(events: readonly StatusEvent[]): void
  readonly counts: StatusCounts
  /** Resolves when nothing waits to be written. */
  idle(): Promise<void>
  stop(): Promise<void>
}

const CONTROLLER = 'lateen.dev/control-plane'
const PAGE = 500
const COMPARE_MS = 10 * 60_000

export function keepStatuses(options: KeepStatusesOptions): KeptStatuses {
  const { client, clock, random, log } = options
  const allowed = options.isLeader
  const writer = createStatusWriter({ client, clock, random, log, allowed })
  const recorder = createEventRecorder({ client, clock, random, log, allowed, controller: CONTROLLER, instance: options.instance })
  const tell = (event: StatusEvent): void => recorder.record({ ...event, action: 'Compile' })
  const keeper = createStatusKeeper({
    ...options,
    write({ kind, metadata: { namespace, name, uid } }: ApiObject, conditions) {
      const known = STATUS_KINDS.find((each) => each === kind)
      if (known === undefined) return
      writer.set({ resource: resourceOf(known), namespace, name, uid }, { conditions, owned: OWN_TYPES })
    },
    tell,
  })
  /** A term that has ended does not begin again when its statuses have been read. */
  let term = 0
  let timer: Timer | undefined
  const compareLater = (of: number): void => {
    timer?.cancel()
    timer = clock.after(COMPARE_MS, () => ignore(compare(of), 'reading does not reject'), { background: true })
  }
  const compare = async (of: number): Promise<void> => {
    const present = await readStatuses(options)
    if (of !== term) return
    keeper.compare(present)
    compareLater(of)
  }
  return {
    async lead() {
      const mine = ++term
      const present = await readStatuses(options)
      if (mine !== term) return
      keeper.lead(options.all(), present)
      compareLater(mine)
    },
    resign() {
      term++
      timer?.cancel()
      keeper.resign()
    },
    touch: (keys) => keeper.touch(keys),
    tell(events) {
      for (const event of events) tell(event)
    },
    get counts() {
      return writer.counts
    },
    async idle() {
      await writer.idle()
      await recorder.idle()
    },
    async stop() {
      term++
      timer?.cancel()
      keeper.stop()
      await writer.stop()
      await recorder.stop()
    },
  }
}

async function readStatuses({ client, namespaces, log }: KeepStatusesOptions): Promise<PresentStatuses> {
  const present = new Map<string, { readonly uid: string; readonly status: unknown }>()
  for (const kind of STATUS_KINDS) {
    for (const namespace of namespaces ?? [undefined]) {
      let continueToken: string | undefined
      do {
        const page = await client.list(resourceOf(kind), { namespace, limit: PAGE, continueToken })
        if (!page.ok) {
          // A kind that is not installed has no objects.
          if (page.failure.reason !== 'NotFound')
            log.warn('statuses could not be read; they are compared one by one', { kind, reason: page.failure.message })
          break
        }
        for (const { metadata, status } of page.value.items) {
          const ref = { kind, namespace: metadata.namespace ?? '', name: metadata.name }
          present.set(formatRef(ref), { uid: metadata.uid ?? '', status })
        }
        continueToken = page.value.continueToken
      } while (continueToken !== undefined)
    }
  }
  return present
}
