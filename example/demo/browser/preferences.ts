/** What the visitor chose: the language, the theme and the speed. The browser's storage contains the choices. */
export interface Preference<Value extends string> {
  readonly values: readonly Value[]
  value: Value
}

export function preference<Value extends string> (
  name: string, values: readonly Value[], initial: Value
): Preference<Value> {
  const key = `demo-${name}`
  const stored = localStorage.getItem(key) as Value
  let current = values.includes(stored) ? stored : initial
  return {
    values,
    get value () { return current },
    set value (value) {
      current = value
      localStorage.setItem(key, value)
    }
  }
}

export const language = preference('language', ['en', 'zh'], navigator.language.startsWith('zh') ? 'zh' : 'en')
export const theme = preference('theme', ['auto', 'light', 'dark'], 'auto')
export const speed = preference('speed', ['slow', 'normal', 'fast', 'instant'], 'normal')
