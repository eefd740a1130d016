// 'Ask 50 times': five at a time, one square per answer, coloured by the version of reviews that gave it.
const button = document.getElementById('sample')
const dots = document.getElementById('dots')
const legend = document.getElementById('legend')

button.addEventListener('click', async () => {
  button.disabled = true
  dots.replaceChildren()
  const tally = new Map()
  let left = 50
  const worker = async () => {
    while (left-- > 0) {
      const version = await askOnce()
      tally.set(version, (tally.get(version) ?? 0) + 1)
      const dot = document.createElement('i')
      dot.className = version
      dots.append(dot)
      showLegend(tally)
    }
  }
  await Promise.all(Array.from({ length: 5 }, worker))
  button.disabled = false
  button.textContent = 'Ask again'
})

async function askOnce() {
  try {
    const response = await fetch('/api/v1/products/0/reviews')
    const { version } = await response.json()
    return response.ok && /^v\d+$/.test(version) ? version : 'failed'
  } catch {
    return 'failed'
  }
}

function showLegend(tally) {
  legend.replaceChildren(
    ...[...tally].sort().map(([version, count]) => {
      const entry = document.createElement('span')
      entry.className = version
      entry.textContent = version === 'failed' ? `no answer: ${count}` : `reviews ${version}: ${count}`
      return entry
    }),
  )
}
