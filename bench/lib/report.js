/** Formats the results as tables and checks the targets. */
import { costRatio } from './statistics.js'

const number = (value, digits) => (
  value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })
)

/** Returns a table with columns of minimal width. Text is aligned left, numbers are aligned right. */
function table (head, rows) {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column].length)))
  const pad = (cell, column) => column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column])
  const line = (cells) => cells.map(pad).join('  ')
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n')
}

/** @param referenceOf optional, returns the name of a side's reference, whose cost ratio is 1.00 */
export function sidesTable (sides, referenceOf) {
  const hasBytes = Object.values(sides).some(({ bytes }) => bytes !== undefined)
  const head = ['side', 'requests/s', 'p50 ms', 'p99 ms', 'CPU us/request', 'server busy']
  if (hasBytes) head.push('bytes/session')
  if (referenceOf !== undefined) head.push('cost ratio')
  const rows = Object.entries(sides).map(([name, { rps, p50, p99, cpu, busy, bytes, rounds }]) => {
    const row = [name, number(rps, 0), number(p50, 2), number(p99, 2), number(cpu, 1), `${number(busy * 100, 0)} %`]
    if (hasBytes) row.push(number(bytes, 0))
    if (referenceOf !== undefined) row.push(number(costRatio(rounds, sides[referenceOf(name)].rounds), 2))
    return row
  })
  return table(head, rows)
}

export function burstTable ({ sides }) {
  const statuses = [...new Set(Object.values(sides).flatMap((side) => Object.keys(side.statuses)))].sort()
  const head = ['side', ...statuses, 'p50 ms', 'p99 ms', 'last response ms']
  return table(head, Object.entries(sides).map(([name, side]) => [
    name,
    ...statuses.map((status) => number(side.statuses[status] ?? 0, 0)),
    ...[side.p50, side.p99, side.last].map((ms) => number(ms, 0))
  ]))
}

/** Adds the ratio of each target and whether it is met. Both are null if a side was not measured. */
export function checkTargets (targets, sides) {
  return targets.map((target) => {
    const [side, reference] = [sides[target.side], sides[target.reference]]
    if (side === undefined || reference === undefined) return { ...target, ratio: null, met: null }
    const ratio = costRatio(side.rounds, reference.rounds)
    return { ...target, ratio, met: ratio >= target.atLeast }
  })
}

export function targetsTable (checked) {
  const head = ['target: CPU of the reference / CPU of the side', 'at least', 'is', '']
  return table(head, checked.map(({ side, reference, atLeast, ratio, met }) => [
    `${side} : ${reference}`,
    number(atLeast, 2),
    ratio === null ? '-' : number(ratio, 2),
    met === null ? 'not measured' : met ? 'met' : 'NOT MET'
  ]))
}
