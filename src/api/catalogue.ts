// Every code that a Finding may carry, with its texts. docs/findings.md is generated from here; test/house/findings.test.ts keeps
// codes, page and examples together. To add a code: one entry in the area's file under catalogue/, and a test that produces it.
import { analyzeCatalogue } from './catalogue/analyze.ts'
import { certificateCatalogue } from './catalogue/certificates.ts'
import { clusterCatalogue } from './catalogue/cluster.ts'
import { compileCatalogue } from './catalogue/compile.ts'
import { readingCatalogue } from './catalogue/reading.ts'
import { schemaCatalogue } from './catalogue/schema.ts'
import { semanticCatalogue } from './catalogue/semantic.ts'

export type { CatalogueEntry, Severity } from './catalogue/entry.ts'

export const catalogue = {
  ...readingCatalogue, // LTN0100-0109: files and objects as such, and what is not in force
  ...schemaCatalogue, // LTN0110-0129: one field against its schema
  ...semanticCatalogue, // LTN0130-0199: what a schema cannot say, within one object
  ...compileCatalogue, // LTN0200-0299: objects against each other, found while they are compiled
  ...analyzeCatalogue, // LTN0300-0399: objects against each other, looked for
  ...certificateCatalogue, // LTN0400-0499: the certificate authority's own files
  ...clusterCatalogue, // LTN0500-0599: what the API server of a cluster answers
} as const

export type Catalogue = typeof catalogue
