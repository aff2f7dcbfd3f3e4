/** Summarizes rounds. */

export function median (values) {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** Returns the median of every member of the rounds. */
export function medians (rounds) {
  return Object.fromEntries(Object.keys(rounds[0]).map((key) => [key, median(rounds.map((round) => round[key]))]))
}

/**
 * Returns the CPU time per request of the reference divided by that of the side. The ratio is 1 for the same cost and 2
 * for half the cost. Each round is compared with the same round of the reference, because both ran in the same process
 * at about the same time.
 */
export function costRatio (rounds, reference) {
  return median(rounds.map(({ cpu }, index) => reference[index].cpu / cpu))
}

export function shuffled (items) {
  const order = items.map((item) => ({ item, rank: Math.random() }))
  return order.sort((a, b) => a.rank - b.rank).map(({ item }) => item)
}
