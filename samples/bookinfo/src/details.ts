// The facts about the book.
import { callerOf, json, serve, version, workload } from './service.ts'

const book = {
  title: 'The Comedy of Errors',
  author: 'William Shakespeare',
  year: 1595,
  language: 'English',
  type: 'Paperback',
  pages: 128,
  publisher: 'Lateen Press',
  isbn: '978-0-00-000015-9',
} as const

serve('details', {
  'GET /details/': ({ headers }) => json({ ...book, servedBy: workload, version, caller: callerOf(headers) }),
})
