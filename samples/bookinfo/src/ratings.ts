// Stars per reviewer. A POST changes them until the next start, so that there is something to send that must not be sent twice.
import { callerOf, json, serve, version, workload } from './service.ts'

const stars = new Map([
  ['Adriana', 5],
  ['Dromio', 4],
])

serve('ratings', {
  'GET /ratings/': ({ headers }) => json({ stars: Object.fromEntries(stars), servedBy: workload, version, caller: callerOf(headers) }),
  'POST /ratings/': ({ body }) => {
    const { reviewer, stars: given } = Object.fromEntries(new URLSearchParams(body))
    const count = Number(given)
    if (reviewer === undefined || !stars.has(reviewer)) return json({ error: 'unknown reviewer' }, 404)
    if (!Number.isInteger(count) || count < 1 || count > 5) return json({ error: 'stars must be a number from 1 to 5' }, 400)
    stars.set(reviewer, count)
    return json({ stars: Object.fromEntries(stars) })
  },
})
