import { onBeforeUnmount, onMounted } from 'vue'

const ROW = '[data-row], [role=row], tr, li, .task-row'
const OWN_USE = 'a, button, input, select, textarea, label, summary, [role=button], [role=checkbox], [role=slider], [contenteditable=true]'

/**
 * A click anywhere in a row opens its `.row-link`. The link does not lie over the row, so its text can be selected with
 * the mouse: a click that ends a selection opens nothing.
 */
export function useRowLinks(): void {
  onMounted(() => {
    document.addEventListener('click', onClick, true)
    document.addEventListener('auxclick', onAuxClick)
  })
  onBeforeUnmount(() => {
    document.removeEventListener('click', onClick, true)
    document.removeEventListener('auxclick', onAuxClick)
  })
}

function onClick(event: MouseEvent): void {
  const row = rowOf(event.target)
  const link = row?.querySelector<HTMLAnchorElement>('a.row-link')
  if (!row || !link) return
  if (event.detail > 0 && hasSelection(row)) {
    const within = (event.target as Element).closest(OWN_USE)
    if (within && within !== link) return
    event.preventDefault()
    event.stopPropagation()
    return
  }
  if ((event.target as Element).closest(OWN_USE)) return
  const { ctrlKey, metaKey, shiftKey, altKey } = event
  link.dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true, ctrlKey, metaKey, shiftKey, altKey, view: window }))
}

/** The middle button opens a new tab. */
function onAuxClick(event: MouseEvent): void {
  if (event.button !== 1 || (event.target as Element).closest(OWN_USE)) return
  const link = rowOf(event.target)?.querySelector<HTMLAnchorElement>('a.row-link')
  if (link) window.open(link.href, '_blank', 'noopener')
}

function rowOf(target: EventTarget | null): HTMLElement | null {
  return target instanceof Element ? target.closest<HTMLElement>(ROW) : null
}

function hasSelection(row: HTMLElement): boolean {
  const selection = window.getSelection()
  return selection !== null && !selection.isCollapsed && selection.containsNode(row, true)
}
