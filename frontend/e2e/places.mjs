// Every page of a running Kanchi, with a path to an example of each.

export async function firstItem(base, path) {
  const answer = await fetch(`${base}/api/v1/${path}`)
  return answer.ok ? (await answer.json()).items[0] ?? null : null
}

/** Name and path of each page that has something to show. */
export async function places(base) {
  const [task, failed, child, worker, queue, job] = await Promise.all([
    firstItem(base, 'tasks?status=success&limit=1'), firstItem(base, 'tasks?status=failure&limit=1'), firstItem(base, 'tasks?name=shop.report.add&status=success&limit=1'),
    firstItem(base, 'workers?limit=1'), firstItem(base, 'queues?limit=1'), firstItem(base, 'jobs?limit=1'),
  ])
  const at = (folder, key) => `/${folder}/${encodeURIComponent(key)}`
  return Object.entries({
    'overview': '/',
    'tasks': '/tasks',
    'tasks-filtered': '/tasks?status=failure&status=retry&last=1h',
    'task': task && at('tasks', task.id),
    'task-failed': failed && at('tasks', failed.id),
    'task-workflow': child && at('tasks', child.id),
    'workers': '/workers',
    'worker': worker && at('workers', worker.id),
    'worker-tasks': worker && `${at('workers', worker.id)}?tab=tasks`,
    'worker-queues': worker && `${at('workers', worker.id)}?tab=queues`,
    'worker-pool': worker && `${at('workers', worker.id)}?tab=pool`,
    'worker-configuration': worker && `${at('workers', worker.id)}?tab=configuration`,
    'queues': '/queues',
    'queue': queue && at('queues', queue.name),
    'system': '/system',
    'audit': '/audit',
    'jobs': '/jobs',
    'job': job && at('jobs', job.id),
    'settings': '/settings',
    'missing': '/no/such/page',
  }).filter(([, path]) => path)
}
