// What every decoder is given beside its message: the engine for patterns, and where to put what is wrong. One context per resource,
// so that a resource is taken whole or not at all, and a report names every problem at once.
// Invariant: paths are written as the codec writes them (`filter_chains[0].filters[1].typed_config.stat_prefix`).
import type { Problem, Result } from '../../base/result.ts'
import { compileStringMatcher, type RegexCompiler, type StringMatcher, type StringMatchSpec } from '../../base/string-matcher.ts'
import type { Secret } from '../../envoy/generated/messages.gen.ts'

/** Injected by the composition root (base/regex.ts), so that tests and tools without patterns never load an engine. */
export interface RegexEngine {
  /** For routes. */
  readonly compile: RegexCompiler
  /** For policies: throws at match time for what it cannot judge, and the authorization refuses. */
  readonly compileStrict: RegexCompiler
  rewriter(pattern: string, substitution: string): Result<(subject: string) => string>
}

export interface DecodeSettings {
  readonly regex: RegexEngine
  /** What is not in force becomes a warning instead of a problem. Security is never let off: it denies instead. */
  readonly allowUnsupported: boolean
  /** Secrets of a bootstrap, by name: a reference to one is replaced by its content. */
  readonly secrets?: ReadonlyMap<string, Secret> | undefined
}

export class DecodeContext {
  readonly settings: DecodeSettings
  readonly problems: Problem[] = []
  readonly warnings: Problem[] = []
  readonly #guarded: string[] = []
  /** What the codec left out of the message because the proxy does not know it. */
  readonly #dropped: readonly Problem[]

  constructor(settings: DecodeSettings, dropped: readonly Problem[] = []) {
    this.settings = settings
    this.#dropped = dropped
  }

  get regex(): RegexEngine {
    return this.settings.regex
  }

  error(path: string, message: string): undefined {
    this.problems.push({ path, message })
    return undefined
  }

  /** Something that is valid for Envoy and not in force here. */
  unsupported(path: string, message: string): undefined {
    const to = this.settings.allowUnsupported ? this.warnings : this.problems
    to.push({ path, message: `${message}; remove it or allow unsupported fields` })
    return undefined
  }

  /** What the codec dropped below this path is dealt with: the policy denies, or the filter is optional. */
  guard(path: string): void {
    this.#guarded.push(path)
  }

  /** After decoding: reports what the codec dropped, except below guarded places. */
  reportDropped(): void {
    for (const problem of this.#dropped) {
      if (this.#guarded.some((path) => isBelow(problem.path, path))) continue
      const to = this.settings.allowUnsupported ? this.warnings : this.problems
      to.push(problem)
    }
  }

  droppedBelow(path: string): Problem | undefined {
    return this.#dropped.find((problem) => isBelow(problem.path, path))
  }

  string(spec: StringMatchSpec, path: string, compiler: RegexCompiler = this.regex.compile): StringMatcher | undefined {
    const result = compileStringMatcher(spec, compiler)
    if (result.ok) return result.value
    for (const problem of result.problems) this.error(path, problem.message)
    return undefined
  }
}

function isBelow(path: string, parent: string): boolean {
  return path.startsWith(parent) && (path.length === parent.length || path[parent.length] === '.' || path[parent.length] === '[')
}
