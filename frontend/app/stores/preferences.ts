import { defineStore } from 'pinia'
import { computed, shallowRef, watch } from 'vue'
import { moveColumn, resizeColumn, showColumn, parseColumns, type ColumnKey } from '~/lib/tasks/columns'
import { languageOf, setLanguage } from '~/texts'
import { parsePreferences, PREFERENCES_KEY, type Preferences } from '~/lib/preferences'
import { dropView, saveView } from '~/lib/tasks/views'

/** What the viewer has chosen, in this browser; other tabs follow. */
export const usePreferencesStore = defineStore('preferences', () => {
  const chosen = shallowRef<Preferences>(parsePreferences(stored()))
  const density = computed(() => chosen.value.density)
  const utc = computed(() => chosen.value.zone === 'utc')
  const columns = computed(() => chosen.value.columns)
  const shownColumns = computed(() => chosen.value.columns.filter(column => column.shown))
  const views = computed(() => chosen.value.views)

  function change(part: Partial<Preferences>): void {
    chosen.value = { ...chosen.value, ...part }
    try {
      localStorage.setItem(PREFERENCES_KEY, JSON.stringify(chosen.value))
    } catch { /* storage is forbidden: it lasts until the page is closed */ }
  }

  watch(density, (next) => { document.documentElement.dataset.density = next }, { immediate: true })
  watch(() => languageOf(chosen.value.language, navigator.languages), next => void setLanguage(next), { immediate: true })
  window.addEventListener('storage', (event) => {
    if (event.key === PREFERENCES_KEY) chosen.value = parsePreferences(event.newValue)
  })

  return {
    chosen, density, utc, columns, shownColumns, views, change,
    moveColumn: (key: ColumnKey, by: number) => change({ columns: moveColumn(columns.value, key, by) }),
    resizeColumn: (key: ColumnKey, width: number) => change({ columns: resizeColumn(columns.value, key, width) }),
    showColumn: (key: ColumnKey, shown: boolean) => change({ columns: showColumn(columns.value, key, shown) }),
    resetColumns: () => change({ columns: parseColumns(null) }),
    saveView: (name: string, query: Record<string, string | string[]>) => change({ views: saveView(views.value, name, query) }),
    dropView: (name: string) => change({ views: dropView(views.value, name) }),
  }
})

function stored(): string | null {
  try {
    return localStorage.getItem(PREFERENCES_KEY)
  } catch {
    return null
  }
}
