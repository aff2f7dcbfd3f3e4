/** Parses JSON of WeChat, which may contain raw control characters and integers beyond 2^53. */

/**
 * Parses JSON. Accepts raw control characters inside strings, which JSON.parse refuses.
 *
 * @param largeIntegers 'string' returns integers beyond 2^53 as strings. 'number' rounds them.
 * @throws SyntaxError
 */
export function parseJson (text: string, largeIntegers: 'string' | 'number' = 'number'): unknown {
  const { value, json } = parse(text)
  return largeIntegers === 'string' && MANY_DIGITS.test(json) ? JSON.parse(quoteLargeIntegers(json)) : value
}

/** Returns whether JSON contains an integer that parseJson rounds. The text must be valid for parseJson. */
export function hasLargeInteger (text: string): boolean {
  if (!MANY_DIGITS.test(text)) return false
  const { json } = parse(text)
  return quoteLargeIntegers(json) !== json
}

const MANY_DIGITS = /\d{16}/
const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y

function parse (text: string): { value: unknown, json: string } {
  try {
    return { value: JSON.parse(text), json: text }
  } catch {
    const json = escapeControlCharacters(text)
    return { value: JSON.parse(json), json }
  }
}

function escapeControlCharacters (text: string): string {
  let escaped = ''
  let copied = 0
  let isInString = false
  for (let i = 0; i < text.length; i++) {
    const character = text[i]!
    if (character === '"') {
      isInString = !isInString
    } else if (character === '\\') {
      i++
    } else if (isInString && character < ' ') {
      escaped += text.slice(copied, i) + JSON.stringify(character).slice(1, -1)
      copied = i + 1
    }
  }
  return escaped + text.slice(copied)
}

/** Turns integers beyond 2^53 into strings. The JSON must be valid. */
function quoteLargeIntegers (json: string): string {
  let quoted = ''
  let copied = 0
  for (let i = 0; i < json.length; i++) {
    if (json[i] === '"') {
      i = endOfString(json, i)
      continue
    }
    NUMBER.lastIndex = i
    const number = NUMBER.exec(json)?.[0]
    if (number === undefined) continue
    if (/^-?\d+$/.test(number) && !Number.isSafeInteger(Number(number))) {
      quoted += `${json.slice(copied, i)}"${number}"`
      copied = i + number.length
    }
    i += number.length - 1
  }
  return quoted + json.slice(copied)
}

/** Returns the index of the closing quote. */
function endOfString (json: string, start: number): number {
  let i = start + 1
  while (json[i] !== '"') i += json[i] === '\\' ? 2 : 1
  return i
}
