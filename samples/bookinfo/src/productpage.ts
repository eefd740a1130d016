// The page that people see: asks details and reviews at the same time and shows what it gets; a service that fails costs its own
// part of the page, never the page. `/api/v1/products` gives the same as JSON.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { renderPage } from './page.ts'
import { type Answer, ask, callerOf, json, passedOn, type Question, type Reply, serve, workload } from './service.ts'

const asset = (name: string): string => readFileSync(join(import.meta.dirname, name), 'utf8')
const style = asset('style.css')
const sampleScript = asset('sample.js')

const toPage: Answer = { status: 303, type: 'text/plain', body: 'see /productpage', headers: { location: '/productpage' } }

serve('productpage', {
  'GET /': () => ({ ...toPage, status: 302 }),
  'GET /productpage': async (question) => {
    const headers = headersFor(question)
    const [details, reviews] = await Promise.all([ask('details', '/details/0', headers), ask('reviews', '/reviews/0', headers)])
    const page = renderPage({ user: userOf(question), details, reviews, self: { workload, caller: callerOf(question.headers) } })
    return { status: 200, type: 'text/html', body: page, headers: { 'cache-control': 'no-store' } }
  },
  'GET /static/style.css': () => ({ status: 200, type: 'text/css', body: style }),
  'GET /static/sample.js': () => ({ status: 200, type: 'text/javascript', body: sampleScript }),
  'POST /login': ({ body }) => {
    const user = (new URLSearchParams(body).get('username') ?? '').trim()
    return userCookie(/^[\w.@-]{1,64}$/.test(user) ? user : '')
  },
  'POST /logout': () => userCookie(''),
  'GET /api/v1/products': async (question) => passedThrough(await ask('details', '/details/0', headersFor(question))),
  'GET /api/v1/products/0/reviews': async (question) => passedThrough(await ask('reviews', '/reviews/0', headersFor(question))),
})

/** Signing in is a name without a password: a sample needs a user to route by, not a secret to lose. */
function userCookie(user: string): Answer {
  const cookie = user === '' ? 'end-user=; Path=/; Max-Age=0' : `end-user=${encodeURIComponent(user)}; Path=/; HttpOnly; SameSite=Lax`
  return { ...toPage, headers: { ...toPage.headers, 'set-cookie': cookie } }
}

function userOf({ headers }: Question): string | undefined {
  const cookie = /(?:^|;\s*)end-user=([\w.%@-]+)/.exec(headers.cookie ?? '')?.[1]
  if (cookie === undefined) return undefined
  try {
    return decodeURIComponent(cookie)
  } catch {
    return undefined
  }
}

function headersFor(question: Question): Record<string, string> {
  const user = userOf(question)
  return { ...passedOn(question.headers), ...(user === undefined ? {} : { 'end-user': user }) }
}

function passedThrough(reply: Reply): Answer {
  return reply.ok ? { ...json(reply.value), headers: { 'cache-control': 'no-store' } } : json({ error: reply.why }, 503)
}
