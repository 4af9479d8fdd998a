import { computed, onScopeDispose, ref, shallowRef, watch } from 'vue'
import type { Failure } from '~/api/client'
import { problemOf, valuesOf, type Action, type Said } from '~/lib/action'
import { t } from '~/texts'

const TYPING_MS = 350
const FORBIDDEN = 403

/** typing: something is missing or wrong; asking: what it would do is being found out; ready: the viewer decides. */
export type Phase = 'typing' | 'asking' | 'ready' | 'acting' | 'done'

/** Takes an action through its dry run, the viewer's yes, and what became of it. Nothing is done that was not shown before. */
export function useAction<Plan, Done>(action: Action<Plan, Done>) {
  const store = useActionsStore()
  const phase = ref<Phase>('typing')
  const typed = ref<Record<string, string>>(Object.fromEntries(action.fields.map(field => [field.key, field.value ?? ''])))
  const sections = ref(new Set<string>())
  const failure = shallowRef<Failure | null>(null)
  const plan = shallowRef<Plan | null>(null)
  const said = shallowRef<Said | null>(null)
  const values = computed(() => valuesOf(action.fields, typed.value, sections.value))
  const problem = computed(() => problemOf(action.fields, values.value))
  /** The number that must be typed, and what was. A new dry run asks for it again. */
  const needed = computed(() => plan.value === null || said.value?.nothing ? null : action.sure?.(plan.value) ?? null)
  const number = ref('')
  watch(needed, () => { number.value = '' })
  const isSure = computed(() => needed.value === null || number.value.replace(/[\s.,'’]/g, '') === String(needed.value))
  const canConfirm = computed(() => phase.value === 'ready' && said.value !== null && !said.value.nothing && isSure.value)
  const fields = computed(() => action.fields.filter(field => !field.when || field.when(plan.value, typed.value)))
  let timer: ReturnType<typeof setTimeout> | undefined
  /** Answers to what was asked before are not looked at. */
  let turn = 0

  async function look(): Promise<void> {
    clearTimeout(timer)
    const mine = ++turn
    failure.value = null
    if (problem.value) {
      plan.value = said.value = null
      phase.value = 'typing'
      return
    }
    phase.value = 'asking'
    const asked = values.value
    const answer = await action.plan(asked)
    if (mine !== turn) return
    if (answer && 'data' in answer) {
      plan.value = answer.data
      said.value = action.sayPlan(answer.data, asked)
      phase.value = 'ready'
    } else {
      refuse(answer?.failure)
      phase.value = 'typing'
    }
  }

  function refuse(why: Failure | undefined): void {
    plan.value = said.value = null
    failure.value = why ?? { status: null, text: t.actions.said.notSent }
    if (why?.status === FORBIDDEN) store.forbidden = why.text
  }

  /** What was shown no longer holds. */
  function change(key: string, text: string): void {
    typed.value = { ...typed.value, [key]: text }
    later()
  }

  function toggle(section: string): void {
    const next = new Set(sections.value)
    if (!next.delete(section)) {
      next.add(section)
      typed.value = { ...typed.value, ...action.fill?.(section, plan.value) }
    }
    sections.value = next
    later()
  }

  function later(): void {
    turn++
    phase.value = 'typing'
    clearTimeout(timer)
    timer = setTimeout(() => void look(), TYPING_MS)
  }

  async function confirm(): Promise<void> {
    if (!canConfirm.value || plan.value === null) return
    const mine = ++turn
    phase.value = 'acting'
    const answer = await action.act(values.value, plan.value)
    // It may have happened, whatever the answer says and whether anybody still looks.
    store.finished++
    if (mine !== turn) return
    if (answer && 'data' in answer) {
      said.value = action.sayDone(answer.data)
      phase.value = 'done'
      action.after?.()
    } else {
      refuse(answer?.failure)
      phase.value = 'typing'
    }
  }

  void look()
  onScopeDispose(() => {
    turn++
    clearTimeout(timer)
  })

  return { phase, typed, sections, fields, values, problem, failure, said, needed, number, canConfirm, look, change, toggle, confirm }
}
