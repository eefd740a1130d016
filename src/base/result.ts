// Expected failures are values. A parser returns all its problems at once; nothing that a user wrote is ever thrown.

/** One thing that is wrong, where it is (`routes[2].match.path`, empty for the whole), and what to do. */
export interface Problem {
  readonly path: string
  readonly message: string
}

export type Result<T, P = Problem> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problems: readonly P[] }

export function succeed<T>(value: T): { readonly ok: true; readonly value: T } {
  return { ok: true, value }
}

export function fail(path: string, message: string): { readonly ok: false; readonly problems: readonly Problem[] } {
  return { ok: false, problems: [{ path, message }] }
}

/** `path: message`, one per line, for logs and a NACK's error detail. */
export function formatProblems(problems: readonly Problem[]): string {
  return problems.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`)).join('\n')
}
