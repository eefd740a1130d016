// A flame graph from a processor profile of V8 (.cpuprofile), as one SVG file without a script: width is time, a row is a call, what is
// below calls what is above. Hovering tells name, file and share. Called by profile.ts. Pure.

interface CallFrame {
  readonly functionName: string
  readonly url: string
  readonly lineNumber: number
}

export interface CpuProfile {
  readonly nodes: readonly { readonly id: number; readonly callFrame: CallFrame; readonly children?: readonly number[] }[]
  /** Node by node, and microseconds since the one before. */
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

/** The end of a profile: what came before was another state of the program. */
export function lastOf(profile: CpuProfile, us: number): CpuProfile {
  let from = profile.samples.length
  for (let kept = 0; from > 0 && kept < us; from--) kept += profile.timeDeltas[from - 1] ?? 0
  return { ...profile, samples: profile.samples.slice(from), timeDeltas: profile.timeDeltas.slice(from) }
}

interface Frame {
  readonly name: string
  readonly where: string
  us: number
  readonly children: Map<string, Frame>
}

const WIDTH = 1600
const ROW = 17
const MIN_WIDTH = 0.5
const CHARACTER = 6.6
/** What V8 reports when nothing runs: no cost. */
const IDLE = '(idle)'

export function flameGraph(profile: CpuProfile, title: string): string {
  const root = merge(profile)
  const depth = depthOf(root)
  const height = (depth + 3) * ROW
  const lines = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" font-family="monospace" font-size="11">`,
    `<rect width="100%" height="100%" fill="#fff"/><text x="8" y="${ROW}" font-size="13">${xmlText(title)}: ${(root.us / 1000).toFixed(0)} ms of processor time</text>`,
  ]
  draw(root, 0, 0)
  return `${lines.join('\n')}\n</svg>\n`

  function draw(frame: Frame, x: number, level: number): void {
    const width = (frame.us / root.us) * WIDTH
    if (width < MIN_WIDTH) return
    const y = height - (level + 1) * ROW
    const told = `${frame.name} ${frame.where} ${((frame.us * 100) / root.us).toFixed(1)} %`
    const text = width > 4 * CHARACTER ? frame.name.slice(0, Math.floor(width / CHARACTER)) : ''
    lines.push(
      `<g><title>${xmlText(told)}</title><rect x="${x.toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${ROW - 1}" fill="${colour(frame)}"/>` +
        `<text x="${(x + 2).toFixed(1)}" y="${y + ROW - 5}">${xmlText(text)}</text></g>`,
    )
    let at = x
    for (const child of [...frame.children.values()].sort((a, b) => (a.name < b.name ? -1 : 1))) {
      draw(child, at, level + 1)
      at += (child.us / root.us) * WIDTH
    }
  }
}

/** Functions by their own time, the dearest first: [name and place, share of all that was not idle]. */
export function dearest(profile: CpuProfile, count: number): readonly (readonly [string, number])[] {
  const own = new Map<string, number>()
  let total = 0
  const frames = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]))
  profile.samples.forEach((id, index) => {
    const frame = frames.get(id)
    const us = profile.timeDeltas[index] ?? 0
    if (frame === undefined || frame.functionName === IDLE) return
    const key = `${nameOf(frame)} ${whereOf(frame)}`
    own.set(key, (own.get(key) ?? 0) + us)
    total += us
  })
  const sorted = [...own].sort(([, a], [, b]) => b - a).slice(0, count)
  return sorted.map(([name, us]) => [name, us / total] as const)
}

/** One tree of names: the same function called from the same place is one frame, however many nodes V8 has for it. */
function merge({ nodes, samples, timeDeltas }: CpuProfile): Frame {
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)))
  const root: Frame = { name: 'all', where: '', us: 0, children: new Map() }
  samples.forEach((id, index) => {
    if (byId.get(id)?.callFrame.functionName === IDLE) return
    const us = Math.max(0, timeDeltas[index] ?? 0)
    root.us += us
    let at = root
    for (const frame of stackOf(id)) {
      const key = `${nameOf(frame)} ${whereOf(frame)}`
      let child = at.children.get(key)
      if (child === undefined) {
        child = { name: nameOf(frame), where: whereOf(frame), us: 0, children: new Map() }
        at.children.set(key, child)
      }
      child.us += us
      at = child
    }
  })
  return root

  /** From the outermost call inwards, without V8's own root. */
  function stackOf(id: number): CallFrame[] {
    const stack: CallFrame[] = []
    for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) {
      const frame = byId.get(at)?.callFrame
      if (frame !== undefined && frame.functionName !== '(root)') stack.push(frame)
    }
    return stack.reverse()
  }
}

function depthOf(frame: Frame): number {
  let deepest = 0
  for (const child of frame.children.values()) deepest = Math.max(deepest, depthOf(child))
  return deepest + 1
}

function nameOf({ functionName }: CallFrame): string {
  return functionName === '' ? '(anonymous)' : functionName
}

function whereOf({ url, lineNumber }: CallFrame): string {
  return url === '' ? '' : `${url.split('/').slice(-2).join('/')}:${lineNumber + 1}`
}

/** Ours, Node's, and V8's or the kernel's own. */
function colour({ where }: Frame): string {
  if (where === '') return '#c9c9c9'
  return where.startsWith('node:') || where.startsWith('internal/') || where.includes('node:') ? '#9ec5e8' : '#f2b66d'
}

function xmlText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
