import { defineStore } from 'pinia'
import { ref } from 'vue'

/** What floats above every page: the palette, and the list of shortcuts. */
export const usePaletteStore = defineStore('palette', () => {
  const open = ref(false)
  const help = ref(false)
  return { open, help }
})
