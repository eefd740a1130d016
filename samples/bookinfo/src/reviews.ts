// What readers say. Three versions of one service: v1 has no stars, v2 asks ratings and shows them black, v3 shows them red.
import { ask, callerOf, json, passedOn, serve, version, workload } from './service.ts'

const reviews = [
  {
    reviewer: 'Adriana',
    text: 'Two pairs of twins, one afternoon, and not a single person who asks the obvious question. I laughed until the abbess came in.',
  },
  {
    reviewer: 'Dromio',
    text: 'I was beaten for dinner, for a rope and for a chain that I never saw. Accurate, brisk, and mercifully short.',
  },
] as const

const STAR_COLOUR: Readonly<Record<string, string>> = { v2: 'black', v3: 'red' }

serve('reviews', {
  'GET /reviews/': async ({ headers }) => {
    const colour = STAR_COLOUR[version]
    const common = { servedBy: workload, version, caller: callerOf(headers) }
    if (colour === undefined) return json({ ...common, reviews })
    const ratings = await ask('ratings', '/ratings/0', passedOn(headers))
    if (!ratings.ok) return json({ ...common, reviews, ratingsError: ratings.why })
    const { stars, servedBy, caller } = ratings.value as { stars: Record<string, number>; servedBy: string; caller?: string }
    return json({
      ...common,
      ratings: { servedBy, caller },
      reviews: reviews.map((review) => ({ ...review, stars: stars[review.reviewer], colour })),
    })
  },
})
