import { onScopeDispose, ref } from 'vue'

export type ThemeChoice = 'light' | 'dark' | 'system'

interface ThemeScript {
  get: () => ThemeChoice
  set: (choice: ThemeChoice) => void
}

/** The theme that public/theme.js has set, and which one is on screen. */
export function useTheme() {
  const script = (window as unknown as { kanchiTheme?: ThemeScript }).kanchiTheme
  const choice = ref<ThemeChoice>(script?.get() ?? 'system')
  const dark = ref(document.documentElement.classList.contains('dark'))
  const onChange = () => { dark.value = document.documentElement.classList.contains('dark') }
  window.addEventListener('kanchi:theme', onChange)
  onScopeDispose(() => window.removeEventListener('kanchi:theme', onChange))

  function choose(next: ThemeChoice): void {
    choice.value = next
    script?.set(next)
  }

  return { choice, dark, choose }
}
