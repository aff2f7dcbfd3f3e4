/** Creates elements without a framework. */
type Child = Node | string | null
type Attributes = Record<string, string | boolean>

/** Creates an element. An attribute that is true has no value, an attribute that is false is omitted. */
export function h<Name extends keyof HTMLElementTagNameMap> (
  name: Name, attributes: Attributes = {}, ...children: Child[]
): HTMLElementTagNameMap[Name] {
  const element = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(key, '')
    else if (value !== false) element.setAttribute(key, value)
  }
  element.append(...children.filter((child) => child !== null))
  return element
}

export function button (label: string, onClick: () => void, attributes: Attributes = {}): HTMLButtonElement {
  const element = h('button', { type: 'button', ...attributes }, label)
  element.addEventListener('click', onClick)
  return element
}
