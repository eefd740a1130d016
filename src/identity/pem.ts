// PEM (RFC 7468): the text around DER. Strict where it comes from the network: one label, base64, nothing else.
import { fail, type Result, succeed } from '../base/result.ts'

/** RFC 7468, section 2. */
const LINE_CHARACTERS = 64

export function encodePem(label: string, der: Uint8Array): string {
  const base64 = Buffer.from(der.buffer, der.byteOffset, der.byteLength).toString('base64')
  // Line by line and not by a regular expression: every certificate that is issued comes through here.
  let lines = ''
  for (let at = 0; at < base64.length; at += LINE_CHARACTERS) lines += `${base64.slice(at, at + LINE_CHARACTERS)}\n`
  return `-----BEGIN ${label}-----\n${lines}-----END ${label}-----\n`
}

/** All blocks of this label, in order. Text between blocks must be blank, blocks of other labels are refused. */
export function decodePem(text: string, label: string): Result<readonly Buffer[]> {
  const blocks: Buffer[] = []
  const begin = `-----BEGIN ${label}-----`
  const end = `-----END ${label}-----`
  let rest = text.trim()
  while (rest !== '') {
    if (!rest.startsWith(begin)) return fail('', `expected a PEM block '${label}', found other text`)
    const stop = rest.indexOf(end)
    if (stop === -1) return fail('', `the PEM block '${label}' has no end`)
    const base64 = rest.slice(begin.length, stop).replace(/[\r\n\t ]/g, '')
    // Buffer.from skips what is not base64; a strict reader must not.
    if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(base64) || base64 === '') {
      return fail('', `the PEM block '${label}' is not base64`)
    }
    blocks.push(Buffer.from(base64, 'base64'))
    rest = rest.slice(stop + end.length).trimStart()
  }
  return blocks.length === 0 ? fail('', `there is no PEM block '${label}'`) : succeed(blocks)
}
