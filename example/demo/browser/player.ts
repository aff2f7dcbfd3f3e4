/** The buttons that play the timeline. */
import { button, h } from './dom.js'
import { speed } from './preferences.js'
import { translate, type TextKey } from './texts.js'
import type { Timeline } from './timeline.js'

export interface Player {
  element: HTMLElement
  render (): void
}

export function createPlayer (timeline: Timeline): Player {
  const element = h('div', { class: 'player', role: 'group' })

  const toggle = () => timeline.isPlaying && !timeline.isAtEnd ? timeline.pause() : timeline.play()
  const replay = button('', () => timeline.replay(), { id: 'replay' })
  const back = button('', () => timeline.back(), { id: 'back' })
  const play = button('', toggle, { id: 'play', class: 'primary' })
  const step = button('', () => timeline.step(), { id: 'step' })
  const progress = h('span', { class: 'progress' })
  const select = h('select', { id: 'speed' })
  select.addEventListener('change', () => {
    speed.value = select.value as typeof speed.value
    if (timeline.isPlaying && !timeline.isAtEnd) timeline.play()
  })
  element.append(replay, back, play, step, progress, select)

  return {
    element,
    render () {
      const { done, total } = timeline.progress
      const isRunning = timeline.isPlaying && !timeline.isAtEnd
      element.setAttribute('aria-label', translate('messages'))
      name(replay, '⟲', 'replay')
      name(back, '◂', 'back')
      name(step, '▸', 'step')
      play.textContent = isRunning ? `❚❚ ${translate('pause')}` : `▶ ${translate('play')}`
      progress.textContent = total === 0 ? '' : `${done} / ${total}`
      select.setAttribute('aria-label', translate('speed'))
      select.replaceChildren(...speed.values.map((value) => {
        return h('option', { value, selected: value === speed.value }, translate(`speed.${value}`))
      }))
      replay.disabled = total === 0
      back.disabled = done === 0
      play.disabled = total === 0
      step.disabled = timeline.isAtEnd
    }
  }
}

/** Shows a sign on a button and names it for screen readers and on hover. */
function name (element: HTMLElement, sign: string, textKey: TextKey): void {
  element.textContent = sign
  element.setAttribute('aria-label', translate(textKey))
  element.title = translate(textKey)
}
