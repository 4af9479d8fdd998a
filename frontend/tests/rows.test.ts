import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createApp, defineComponent, h, nextTick, ref, type App } from 'vue'
import { middleParts } from '~/lib/middle'
import { useRoving } from '~/composables/useRoving'
import { useRowLinks } from '~/composables/useRowLinks'

let app: App | undefined
const mount = (component: ReturnType<typeof defineComponent>) => {
  document.body.innerHTML = '<div id="app"></div>'
  app = createApp(component)
  app.mount('#app')
}
afterEach(() => { app?.unmount(); app = undefined; vi.restoreAllMocks() })

describe('names shortened in the middle', () => {
  it.each([
    ['company.department.subdivision.module_0001.task_name', '.task_name'],
    ['celery@worker-deployment-5d9c7b8f6d-x2x7k-0123456789', '-0123456789'],
    ['aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'aaaaaaaaaaaaaa'],
  ])('%s keeps %s', (name, tail) => {
    expect(middleParts(name)).toEqual([name.slice(0, -tail.length), tail])
  })

  it('leaves short names, and those that run to the left, in one piece', () => {
    expect(middleParts('shop.mail.send')).toEqual(['shop.mail.send', ''])
    expect(middleParts('משימה'.repeat(10))[1]).toBe('')
  })

  it('does not cut a character in two', () => {
    const name = `a${'😀'.repeat(30)}`
    for (const text of [name, `${name}b`]) expect(middleParts(text).every(part => part.isWellFormed())).toBe(true)
  })
})

describe('one tab stop for a list', () => {
  const keys = ref(['a', 'b', 'c'])
  const stops = () => [...document.querySelectorAll<HTMLElement>('[data-roving]')].map(one => `${one.dataset.roving}${one.tabIndex}`)
  const press = async (key: string, init: KeyboardEventInit = {}) => {
    document.activeElement!.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true, ...init }))
    await nextTick()
    await nextTick()
  }

  beforeEach(() => {
    keys.value = ['a', 'b', 'c']
    mount(defineComponent(() => {
      const box = ref<HTMLElement | null>(null)
      const roving = useRoving(() => keys.value, box)
      return () => h('ul', { ref: box, onKeydown: roving.onKeydown }, keys.value.map(key => h('button', { key, ...roving.item(key) }, [key, h('input')])))
    }))
  })

  it('is the first thing, then the one that had the focus', async () => {
    expect(stops()).toEqual(['a0', 'b-1', 'c-1'])
    document.querySelector<HTMLElement>('[data-roving=b]')!.focus()
    await nextTick()
    expect(stops()).toEqual(['a-1', 'b0', 'c-1'])
  })

  it('goes with the arrow keys, and not past the ends', async () => {
    document.querySelector<HTMLElement>('[data-roving=a]')!.focus()
    const seen = []
    for (const key of ['ArrowDown', 'ArrowDown', 'ArrowDown', 'ArrowUp', 'Home', 'End', 'ArrowRight']) {
      await press(key)
      seen.push((document.activeElement as HTMLElement).dataset.roving)
    }
    expect(seen).toEqual(['b', 'c', 'c', 'b', 'a', 'c', 'c'])
  })

  it('leaves keys with Ctrl and those of a field within alone', async () => {
    document.querySelector<HTMLElement>('[data-roving=a]')!.focus()
    await press('ArrowDown', { ctrlKey: true })
    expect((document.activeElement as HTMLElement).dataset.roving).toBe('a')
    const field = document.querySelector('input')!
    field.focus()
    await press('End')
    expect(document.activeElement).toBe(field)
  })

  it('is the first one again when its thing is gone', async () => {
    document.querySelector<HTMLElement>('[data-roving=c]')!.focus()
    keys.value = ['a', 'b']
    await nextTick()
    expect(stops()).toEqual(['a0', 'b-1'])
  })
})

describe('rows that open', () => {
  const opened = vi.fn()
  const click = (selector: string) => document.querySelector(selector)!.dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true, detail: 1 }))

  beforeEach(() => {
    opened.mockReset()
    mount(defineComponent(() => {
      useRowLinks()
      return () => h('table', h('tr', [
        h('td', h('a', { class: 'row-link', href: '#x', onClick: (event: Event) => { event.preventDefault(); opened() } }, 'name')),
        h('td', { class: 'text' }, 'a long text'),
        h('td', h('button', 'act')),
      ]))
    }))
  })

  it('do so by a click anywhere, once', () => {
    click('.text')
    expect(opened).toHaveBeenCalledTimes(1)
    click('a')
    expect(opened).toHaveBeenCalledTimes(2)
  })

  it('do not by a click on a button within', () => {
    click('button')
    expect(opened).not.toHaveBeenCalled()
  })

  it('do not when the click ends a selection of text', () => {
    vi.spyOn(window, 'getSelection').mockReturnValue({ isCollapsed: false, containsNode: () => true } as never)
    click('.text')
    click('a')
    expect(opened).not.toHaveBeenCalled()
  })
})
