// The page as text: values in, HTML out. Everything that comes from a service or a person is escaped.
import type { Reply } from './service.ts'

export interface Page {
  readonly user: string | undefined
  readonly details: Reply
  readonly reviews: Reply
  /** This workload and the caller that its sidecar proved. */
  readonly self: { readonly workload: string; readonly caller: string | undefined }
}

interface Details {
  readonly title: string
  readonly author: string
  readonly year: number
  readonly language: string
  readonly type: string
  readonly pages: number
  readonly publisher: string
  readonly isbn: string
  readonly servedBy: string
  readonly caller?: string
}

interface Review {
  readonly reviewer: string
  readonly text: string
  readonly stars?: number
  readonly colour?: string
}

interface Reviews {
  readonly servedBy: string
  readonly version: string
  readonly caller?: string
  readonly reviews: readonly Review[]
  readonly ratings?: { readonly servedBy: string; readonly caller?: string }
  readonly ratingsError?: string
}

export function renderPage({ user, details, reviews, self }: Page): string {
  const book = details.ok ? (details.value as Details) : undefined
  const said = reviews.ok ? (reviews.value as Reviews) : undefined
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(book?.title ?? 'Bookinfo')}</title>
<link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E%3Cpath d='M7 27 25 5v22z' fill='%231f5c57'/%3E%3C/svg%3E">
<link rel="stylesheet" href="/static/style.css">
<header class="bar">
  <a class="brand" href="/productpage">${SAIL}Bookinfo</a>
  ${renderWho(user)}
</header>
<main>
  ${renderBook(book, details)}
  <div class="columns">
    <section aria-label="Reviews">
      <div class="head"><h2>What readers say</h2>${said === undefined ? '' : `<span class="tag">reviews <b>${escapeHtml(said.version)}</b></span>`}</div>
      ${renderReviews(said, reviews)}
    </section>
    <aside>
      <section class="card">
        <h2>Who answers?</h2>
        <p>Ask for the reviews fifty times and see which version the mesh picks.</p>
        <button id="sample" type="button">Ask 50 times</button>
        <div class="dots" id="dots" aria-hidden="true"></div>
        <div class="legend" id="legend" role="status"></div>
      </section>
      <section class="card">
        <h2>The way of this page</h2>
        <p>Each hop as the receiving sidecar proved it.</p>
        ${renderHops(self, book, said, reviews)}
      </section>
    </aside>
  </div>
</main>
<script src="/static/sample.js" defer></script>
</html>
`
}

const SAIL =
  '<svg viewBox="0 0 32 32" aria-hidden="true"><path d="M6 25 25 4v21z" fill="currentColor"/><path d="M4 28h24" stroke="currentColor" stroke-width="2.4" stroke-linecap="round"/></svg>'

const WAVES = `<svg viewBox="0 0 240 110" aria-hidden="true" fill="none" stroke="#f7f1e3" stroke-width="1.6" stroke-linecap="round">
<path d="M62 66 96 14v52z" fill="#f7f1e3" stroke="none"/><path d="M138 66 172 14v52z" fill="#f7f1e3" stroke="none" opacity=".72"/>
<path d="M54 71c10 9 38 9 48 0M130 71c10 9 38 9 48 0" opacity=".9"/>
<path d="M10 88c14-8 26-8 40 0s26 8 40 0 26-8 40 0 26 8 40 0 26-8 40 0 20 6 22 5" opacity=".6"/><path d="M24 101c14-7 26-7 40 0s26 7 40 0 26-7 40 0 26 7 40 0 20-6 30-4" opacity=".35"/></svg>`

function renderWho(user: string | undefined): string {
  if (user === undefined) {
    return `<form class="who" method="post" action="/login"><input name="username" aria-label="User name" placeholder="try: jason" maxlength="64" autocomplete="off" required><button>Sign in</button></form>`
  }
  return `<form class="who" method="post" action="/logout"><span>Signed in as <b>${escapeHtml(user)}</b></span><button class="quiet">Sign out</button></form>`
}

function renderBook(book: Details | undefined, reply: Reply): string {
  const cover = `<div class="cover"><span>${escapeHtml(book?.author ?? '')}</span>${WAVES}<strong>${escapeHtml(book?.title ?? 'Untitled')}</strong></div>`
  if (book === undefined) {
    return `<section class="book">${cover}<div><h1>This book keeps its details to itself</h1>${renderNote('Details are not available right now', reply)}</div></section>`
  }
  const facts = [
    ['Type', book.type],
    ['Pages', book.pages],
    ['Language', book.language],
    ['Publisher', book.publisher],
    ['ISBN', book.isbn],
  ] as const
  return `<section class="book">${cover}<div>
    <h1>${escapeHtml(book.title)}</h1>
    <p class="by">${escapeHtml(book.author)}, about ${escapeHtml(book.year)}</p>
    <p class="blurb">Twin brothers with one name, twin servants with another, and a city that takes each for the other. By nightfall everyone has been greeted, paid, locked out and forgiven by the wrong person.</p>
    <dl>${facts.map(([name, value]) => `<div><dt>${name}</dt><dd>${escapeHtml(value)}</dd></div>`).join('')}</dl>
  </div></section>`
}

function renderReviews(said: Reviews | undefined, reply: Reply): string {
  if (said === undefined) return renderNote('Reviews are not available right now', reply)
  const note =
    said.ratingsError === undefined ? '' : renderNote('Ratings are not available right now', { ok: false, why: said.ratingsError })
  return note + said.reviews.map(renderReview).join('')
}

function renderReview({ reviewer, text, stars, colour }: Review): string {
  const rating =
    stars === undefined
      ? ''
      : `<span class="stars ${colour === 'red' ? 'red' : 'black'}" role="img" aria-label="${escapeHtml(stars)} of 5 stars">${'★'.repeat(stars)}<i>${'★'.repeat(5 - stars)}</i></span>`
  return `<article class="card review"><p>${escapeHtml(text)}</p><footer><span>${escapeHtml(reviewer)}</span>${rating}</footer></article>`
}

function renderNote(title: string, reply: Reply): string {
  return `<p class="note" role="alert"><b>${escapeHtml(title)}</b>${reply.ok ? '' : escapeHtml(reply.why)}</p>`
}

function renderHops(self: Page['self'], book: Details | undefined, said: Reviews | undefined, reviews: Reply): string {
  const hops = [hop(self.workload, self.caller)]
  hops.push(book === undefined ? downHop('details') : hop(book.servedBy, book.caller))
  hops.push(said === undefined ? downHop('reviews') : hop(said.servedBy, said.caller))
  if (said?.ratings !== undefined) hops.push(hop(said.ratings.servedBy, said.ratings.caller))
  if (said?.ratingsError !== undefined && reviews.ok) hops.push(downHop('ratings'))
  return `<ul class="hops">${hops.join('')}</ul>`
}

function hop(workload: string, caller: string | undefined): string {
  const proof =
    caller === undefined
      ? '<small>called in plain text</small>'
      : `<small class="secret" title="${escapeHtml(caller)}">mTLS from ${escapeHtml(shortIdentity(caller))}</small>`
  return `<li><b>${escapeHtml(workload)}</b>${proof}</li>`
}

function downHop(service: string): string {
  return `<li><b>${service}</b><small class="down">no answer</small></li>`
}

/** spiffe://cluster.local/ns/default/sa/bookinfo-reviews -> bookinfo-reviews; the whole of it is the tooltip. */
function shortIdentity(spiffe: string): string {
  return /\/ns\/[^/]+\/sa\/(.+)$/.exec(spiffe)?.[1] ?? spiffe
}

function escapeHtml(value: string | number): string {
  return String(value).replace(/[&<>"']/g, (found) => `&#${found.charCodeAt(0)};`)
}
