import { onScopeDispose, shallowRef, triggerRef } from 'vue'
import { isTyping, KeyReader, type Shortcut } from '~/lib/keys'

const known = shallowRef<Shortcut[]>([])
const reader = new KeyReader()
let listening = false

function onKey(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.isComposing) return
  // A dialog or menu that is open has the keyboard to itself.
  const floating = document.querySelector('[role=dialog][data-state=open], [role=menu][data-state=open]')
  const shortcut = reader.read(event, known.value, isTyping(event.target) || floating !== null, performance.now())
  if (!shortcut) return
  event.preventDefault()
  shortcut.run(event)
}

/** Shortcuts that hold as long as the component is there. */
export function useShortcuts(shortcuts: readonly Shortcut[]): void {
  if (!listening) window.addEventListener('keydown', onKey)
  listening = true
  known.value = [...known.value, ...shortcuts]
  onScopeDispose(() => {
    known.value = known.value.filter(shortcut => !shortcuts.includes(shortcut))
    triggerRef(known)
  })
}

/** Everything that the keyboard does here and now. */
export function useKnownShortcuts() {
  return known
}
