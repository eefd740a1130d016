// What we allow a peer where the configuration says nothing. Windows are far below Envoy's (16 MiB per stream, 24 MiB per connection): they
// bound what a slow reader on the other side makes us hold, and within a data centre no faster transfer needs more.

export const DEFAULT_STREAM_WINDOW = 256 * 1024
export const DEFAULT_CONNECTION_WINDOW = 1024 * 1024
/** As Envoy's. */
export const DEFAULT_MAX_STREAMS = 1024
