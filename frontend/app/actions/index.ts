import type { Action } from '~/lib/action'
import type { Wish } from '~/lib/wish'
import { actOnMany, cancelJob } from './bulk'
import { moveMessages, pauseQueue, purgeQueue } from './queue'
import { resolveTask, retryTask, revokeTask } from './task'
import { commandWorker } from './worker'

/** How a wish is done. `queues` are offered where one is to be named. */
export function actionOf(wish: Wish, queues: readonly string[]): Action {
  return pick(wish, queues) as Action
}

function pick(wish: Wish, queues: readonly string[]) {
  switch (wish.kind) {
    case 'retry': return retryTask(wish.task)
    case 'revoke': return revokeTask(wish.task, false)
    case 'terminate': return revokeTask(wish.task, true)
    case 'resolve': return resolveTask(wish.task, true)
    case 'unresolve': return resolveTask(wish.task, false)
    case 'bulk': return actOnMany(wish.action, wish.of)
    case 'purge': return purgeQueue(wish.queue)
    case 'move': return moveMessages(wish.queue, queues.filter(name => name !== wish.queue.name))
    case 'pause': return pauseQueue(wish.queue, true)
    case 'resume': return pauseQueue(wish.queue, false)
    case 'command': return commandWorker(wish.method, wish.worker, { queue: wish.queue, task: wish.task })
    case 'cancelJob': return cancelJob(wish.id, wish.left)
  }
}
