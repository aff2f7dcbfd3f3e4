/** Many rounds in few numbers. */

export function median (values) {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** Of every number that the rounds have, its median. */
export function medians (rounds) {
  return Object.fromEntries(Object.keys(rounds[0]).map((key) => [key, median(rounds.map((round) => round[key]))]))
}

/**
 * The reference's CPU time per request by the side's: 1 where both cost the same, 2 where the side costs half. Each
 * round is compared with the same round of the reference, because both had the same process and the same minute.
 */
export function costRatio (rounds, reference) {
  return median(rounds.map(({ cpu }, index) => reference[index].cpu / cpu))
}

export function shuffled (items) {
  const order = items.map((item) => ({ item, place: Math.random() }))
  return order.sort((a, b) => a.place - b.place).map(({ item }) => item)
}
