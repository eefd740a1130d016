// LTN0130-0199: what a schema cannot say, within one object.
import type { CatalogueEntry } from './entry.ts'

export const semanticCatalogue = {} as const satisfies Readonly<Record<string, CatalogueEntry>>
