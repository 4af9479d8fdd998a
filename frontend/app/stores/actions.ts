import { defineStore } from 'pinia'
import { computed, ref, shallowRef } from 'vue'
import type { Offer, Wish } from '~/lib/wish'

/** What can be done with what is on the screen, and what the viewer has asked for. */
export const useActionsStore = defineStore('actions', () => {
  const wish = shallowRef<Wish | null>(null)
  /** Grows with each action that was done: whoever shows something that it may have changed loads again. */
  const finished = ref(0)
  /** Why nobody may act through this gateway, once it has said so. */
  const forbidden = ref<string | null>(null)
  const shown = shallowRef<readonly (() => readonly Offer[])[]>([])
  const offers = computed(() => shown.value.flatMap(offers => offers()))

  function ask(next: Wish): void {
    wish.value = next
  }

  function close(): void {
    wish.value = null
  }

  /** Offers these until the returned function is called. */
  function show(offered: () => readonly Offer[]): () => void {
    shown.value = [...shown.value, offered]
    return () => { shown.value = shown.value.filter(one => one !== offered) }
  }

  return { wish, finished, forbidden, offers, ask, close, show }
})
