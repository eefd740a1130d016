// Cuts a text into pieces that can be parsed one after another, so that a large text costs the memory of its largest piece and nobody
// waits for all of it. Called by read-yaml.ts. Invariant: line for line and column for column the pieces say what the whole says.

export interface Chunk {
  readonly text: string
  /** Lines of the whole before it. */
  readonly linesBefore: number
  /** Its place in a List that was too long to be parsed at once. */
  readonly item?: number
}

/** A line that begins with three dashes begins a document, wherever it stands: no scalar may contain one (YAML 1.2.2, 9.1.2). */
const DOCUMENT_START = /^---(?=\s|$)/gm
/** Directives belong to the document after them, and a text with '...' may have them anywhere: such a text stays in one piece. */
const UNCUTTABLE = /^(?:%|\.\.\.(?:\s|$))/m

export function documentChunks(text: string): readonly Chunk[] {
  if (UNCUTTABLE.test(text)) return [{ text, linesBefore: 0 }]
  const starts = [0, ...Array.from(text.matchAll(DOCUMENT_START), ({ index }) => index).filter((index) => index > 0)]
  let linesBefore = 0
  return starts.map((start, index) => {
    const piece = { text: text.slice(start, starts[index + 1] ?? text.length), linesBefore }
    linesBefore += lineEnds(piece.text)
    return piece
  })
}

/** A List as kubectl prints it: `items:` and each item's dash at the left margin. The first chunk is what is left without its items.
 *  Undefined: the text is something else. */
export function itemChunks({ text, linesBefore }: Chunk): { readonly frame: Chunk; readonly items: readonly Chunk[] } | undefined {
  const head = /^items:[ \t]*\r?\n(?=- )/m.exec(text)
  if (head === null) return undefined
  const first = head.index + head[0].length
  const end = endOfItems(text, first)
  const starts = Array.from(text.slice(first, end).matchAll(/^- /gm), ({ index }) => first + index)
  let lines = linesBefore + lineEnds(text.slice(0, first))
  const items = starts.map((start, item) => {
    // The dash becomes a space: columns stay, and what was an entry is a document.
    const piece = { text: ` ${text.slice(start + 1, starts[item + 1] ?? end)}`, linesBefore: lines, item }
    lines += lineEnds(piece.text)
    return piece
  })
  return { frame: { text: `${text.slice(0, head.index)}items: []\n${text.slice(end)}`, linesBefore }, items }
}

/** The first line at the left margin that is neither an entry nor a comment. */
function endOfItems(text: string, from: number): number {
  const next = /^[^-#\s]/gm
  next.lastIndex = from
  return next.exec(text)?.index ?? text.length
}

function lineEnds(text: string): number {
  let count = 0
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) count++
  return count
}
