// SETTINGS (RFC 9113 section 6.5): what each end allows the other. Called by connection.ts.
// Invariant: a value outside its range never becomes part of the settings; it ends the connection with the code that the RFC names.
import { connectionViolation, ErrorCode, type Violation } from './error-codes.ts'
import { DEFAULT_MAX_FRAME_SIZE } from './frames.ts'

export interface Settings {
  readonly headerTableSize: number
  readonly enablePush: boolean
  readonly maxConcurrentStreams: number
  readonly initialWindowSize: number
  readonly maxFrameSize: number
  readonly maxHeaderListSize: number
  /** RFC 8441: CONNECT with :protocol is understood. */
  readonly enableConnectProtocol: boolean
}

/** In force until the peer says otherwise. */
export const DEFAULT_SETTINGS: Settings = {
  headerTableSize: 4096,
  enablePush: true,
  maxConcurrentStreams: Number.POSITIVE_INFINITY,
  initialWindowSize: 65_535,
  maxFrameSize: DEFAULT_MAX_FRAME_SIZE,
  maxHeaderListSize: Number.POSITIVE_INFINITY,
  enableConnectProtocol: false,
}

const ENTRY_BYTES = 6
const MAX_WINDOW = 0x7fff_ffff
const IDS = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
  enableConnectProtocol: 8,
}

export function encodeSettings(settings: Partial<Settings>): Buffer {
  const entries = Object.entries(IDS).flatMap(([name, id]) => {
    const value = settings[name as keyof Settings] // Object.entries widens the key that IDS has
    return value === undefined || value === Number.POSITIVE_INFINITY ? [] : [{ id, value: Number(value) }]
  })
  const bytes = Buffer.allocUnsafe(entries.length * ENTRY_BYTES)
  for (const [index, { id, value }] of entries.entries()) {
    bytes.writeUInt16BE(id, index * ENTRY_BYTES)
    bytes.writeUInt32BE(value, index * ENTRY_BYTES + 2)
  }
  return bytes
}

/** The settings after this frame; entries are taken in order, unknown ones ignored (6.5.2). */
export function applySettings(before: Settings, payload: Buffer): Settings | Violation {
  let settings = before
  if (payload.length % ENTRY_BYTES !== 0) return connectionViolation(ErrorCode.FRAME_SIZE_ERROR, 'SETTINGS is not a multiple of 6 (6.5)')
  for (let at = 0; at < payload.length; at += ENTRY_BYTES) {
    const next = applyEntry(settings, payload.readUInt16BE(at), payload.readUInt32BE(at + 2))
    if ('code' in next) return next
    settings = next
  }
  return settings
}

function applyEntry(settings: Settings, id: number, value: number): Settings | Violation {
  switch (id) {
    case IDS.headerTableSize:
      return { ...settings, headerTableSize: value }
    case IDS.enablePush:
      if (value > 1) return connectionViolation(ErrorCode.PROTOCOL_ERROR, 'SETTINGS_ENABLE_PUSH is neither 0 nor 1 (6.5.2)')
      return { ...settings, enablePush: value === 1 }
    case IDS.maxConcurrentStreams:
      return { ...settings, maxConcurrentStreams: value }
    case IDS.initialWindowSize:
      if (value > MAX_WINDOW)
        return connectionViolation(ErrorCode.FLOW_CONTROL_ERROR, 'SETTINGS_INITIAL_WINDOW_SIZE is above 2^31-1 (6.5.2)')
      return { ...settings, initialWindowSize: value }
    case IDS.maxFrameSize:
      if (value < DEFAULT_MAX_FRAME_SIZE || value > 0xff_ffff)
        return connectionViolation(ErrorCode.PROTOCOL_ERROR, 'SETTINGS_MAX_FRAME_SIZE is out of range (6.5.2)')
      return { ...settings, maxFrameSize: value }
    case IDS.maxHeaderListSize:
      return { ...settings, maxHeaderListSize: value }
    case IDS.enableConnectProtocol:
      if (value > 1 || (value === 0 && settings.enableConnectProtocol))
        return connectionViolation(
          ErrorCode.PROTOCOL_ERROR,
          'SETTINGS_ENABLE_CONNECT_PROTOCOL is neither 0 nor 1, or taken back (RFC 8441 3)',
        )
      return { ...settings, enableConnectProtocol: value === 1 }
    default:
      return settings
  }
}
