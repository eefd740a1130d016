// Scalars that JSON Schema has no name for, so that generated types say what a string or number means.

/** A duration as text: `1.5s`, `100ms`, `1h30m`. Read it with base/duration.ts. */
export type Duration = string

/** A port's number or name. */
export type IntOrString = number | string
