// How many connections of clients the process may take before it runs out of file descriptors. Called once, at the start.

/** The rest is for connections to upstreams, which pools share. */
const CLIENTS_SHARE = 0.75
/** Listeners, logs, admin port, control plane, Node's own. */
const KEPT = 32
const LEAST = 16

/** @param limits the text of /proc/self/limits; undefined when it names no limit. */
export function connectionsByDescriptors(limits: string): number | undefined {
  const [, soft] = /^Max open files +(\d+) /m.exec(limits) ?? []
  return soft === undefined ? undefined : Math.max(LEAST, Math.floor(Number(soft) * CLIENTS_SHARE) - KEPT)
}
