// Which kind has checks beyond its schema. One file per kind; each reports as many mistakes as it finds.

import type { CheckOptions } from '../check-options.ts'
import type { AnyApiObject } from '../kinds.ts'
import type { Report } from '../report.ts'

export function checkSemantics(_object: AnyApiObject, _report: Report, _options: CheckOptions): void {
  // by kind, below
}
