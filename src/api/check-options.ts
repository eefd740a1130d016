// What the caller of a check may choose.
import type { RegexCompiler } from '../base/string-matcher.ts'

export interface CheckOptions {
  /** Namespace of an object that names none. */
  readonly defaultNamespace: string
  /** Compiles users' patterns; without it they are only measured. */
  readonly compileRegex?: RegexCompiler
  /** Secrets are an error: who applies one must not believe that it was taken. Otherwise they are passed over. */
  readonly refusesSecrets?: boolean
  /** The text is for a cluster: Kubernetes' own kinds that the mesh does not read are passed over (cluster-kinds.ts). */
  readonly isForCluster?: boolean
}
