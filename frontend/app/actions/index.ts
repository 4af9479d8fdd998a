import type { Action } from '~/lib/action'
import type { Wish } from '~/lib/wish'
import { actOnMany, cancelJob } from './bulk'
import { moveMessages, pauseQueue, purgeQueue, removeMessage } from './queue'
import { resolveTask, retryTask, revokeTask } from './task'
import { revokeByHeaders, sendTask, type Known } from './send'
import { commandWorkers } from './worker'

/** How a wish is done. What is known is offered where something is to be named. */
export function actionOf(wish: Wish, known: Known): Action {
  return pick(wish, known) as Action
}

function pick(wish: Wish, known: Known) {
  switch (wish.kind) {
    case 'retry': return retryTask(wish.task)
    case 'revoke': return revokeTask(wish.task, false)
    case 'terminate': return revokeTask(wish.task, true)
    case 'resolve': return resolveTask(wish.task, true)
    case 'unresolve': return resolveTask(wish.task, false)
    case 'bulk': return actOnMany(wish.action, wish.of)
    case 'purge': return purgeQueue(wish.queue)
    case 'removeMessage': return removeMessage(wish.queue, wish.id, wish.name)
    case 'move': return moveMessages(wish.queue, known.queues.filter(name => name !== wish.queue.name))
    case 'pause': return pauseQueue(wish.queue, true)
    case 'resume': return pauseQueue(wish.queue, false)
    case 'command': return commandWorkers(wish.method, wish.workers, { queue: wish.queue, task: wish.task })
    case 'send': return sendTask(known, wish.name)
    case 'revokeByHeaders': return revokeByHeaders(known)
    case 'cancelJob': return cancelJob(wish.id, wish.left)
  }
}
