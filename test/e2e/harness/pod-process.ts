// The process of a pod's container in this machine's own process table, for tests that stop it without ending it. Works where the nodes are
// processes of this machine: the test cluster, kind.
import { readdir, readFile } from 'node:fs/promises'
import { get } from './kubectl.ts'

/** Its first process, which is the parent of the others. */
export async function processOf(namespace: string, pod: string, container: string): Promise<number> {
  const { status } = await get('pod', pod, namespace)
  const all = [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])]
  const id = all.find(({ name }) => name === container)?.containerID?.replace(/^.*:\/\//, '')
  if (id === undefined) throw new Error(`${namespace}/${pod} has no running container ${container}`)
  const numbers = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
  const groups = await Promise.all(
    numbers.map(async (pid) => ({ pid, group: await readFile(`/proc/${pid}/cgroup`, 'utf8').catch(() => '') })),
  )
  const own = groups.filter(({ group }) => group.includes(id)).map(({ pid }) => pid)
  const first = own.sort((a, b) => a - b)[0]
  if (first === undefined) throw new Error(`no process of container ${id} (${namespace}/${pod}) is seen on this machine`)
  return first
}
