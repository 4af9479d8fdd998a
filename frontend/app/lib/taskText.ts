import type { Task } from '~/api/types'

/** What the task was called with, on one line, as the events tell it: (1042, 'EUR', amount=19.9). */
export function callText(task: Pick<Task, 'args_repr' | 'kwargs_repr' | 'id'>): string {
  const args = (task.args_repr ?? '').trim()
  const kwargs = (task.kwargs_repr ?? '').trim()
  const empty = (text: string) => text === '' || text === '()' || text === '[]' || text === '{}'
  if (empty(args) && empty(kwargs)) return args || kwargs ? '()' : task.id
  if (empty(kwargs)) return args
  if (empty(args)) return `**${kwargs}`
  return `${args} ${kwargs}`
}
