// Which octets may stand where in an HTTP/1.1 head: one table, so that both directions refuse the same things.
// Used by parse-head.ts and chunked.ts. Invariant: CR, LF and NUL are in no class; whoever loops over a class stops at them.

const TOKEN = 1
const FIELD_VALUE = 2
const TARGET = 4
const AUTHORITY = 8

const CLASSES = new Uint8Array(256)
for (const character of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
  mark(character.charCodeAt(0), TOKEN)
// RFC 9110 5.5: visible characters, obs-text, space and tab.
for (let code = 0x20; code < 0x100; code++) if (code !== 0x7f) mark(code, FIELD_VALUE)
mark(0x09, FIELD_VALUE)
// RFC 9112 3.2: no whitespace, no control, no octet beyond ASCII in a request target.
for (let code = 0x21; code < 0x7f; code++) mark(code, TARGET)
// RFC 3986 3.2 without userinfo: no separator of another component, no '@', no list.
for (let code = 0x21; code < 0x7f; code++) if (!'/?#@\\,"<>^`{|}'.includes(String.fromCharCode(code))) mark(code, AUTHORITY)

function mark(code: number, kind: number): void {
  CLASSES[code] = (CLASSES[code] ?? 0) | kind
}

/** RFC 9110 5.6.2 tchar. */
export function isToken(code: number): boolean {
  return ((CLASSES[code] ?? 0) & TOKEN) !== 0
}

export function isFieldValue(code: number): boolean {
  return ((CLASSES[code] ?? 0) & FIELD_VALUE) !== 0
}

export function isTarget(code: number): boolean {
  return ((CLASSES[code] ?? 0) & TARGET) !== 0
}

export function isAuthority(code: number): boolean {
  return ((CLASSES[code] ?? 0) & AUTHORITY) !== 0
}

/** The value of a hexadecimal digit, or -1. */
export function hexValue(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  const lower = code | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}

/** Whether `text` from `start` is `lower` (which is lower case), ASCII case ignored. */
export function equalsIgnoreCase(text: string, start: number, lower: string): boolean {
  for (let index = 0; index < lower.length; index++) {
    const code = text.charCodeAt(start + index)
    if ((code >= 0x41 && code <= 0x5a ? code | 0x20 : code) !== lower.charCodeAt(index)) return false
  }
  return true
}
