import { onScopeDispose } from 'vue'
import type { Offer } from '~/lib/wish'

/** The palette finds these actions for as long as the component is there. */
export function useOffers(offers: () => readonly Offer[]): void {
  onScopeDispose(useActionsStore().show(offers))
}
