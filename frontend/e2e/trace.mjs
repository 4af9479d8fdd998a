// Reads a trace of Chromium: which tasks of the page's main thread were long, and what their time went into.

const PARTS = {
  'MajorGC': 'gc', 'MinorGC': 'gc', 'V8.GC_SCAVENGER': 'gc', 'V8.GCScavenger': 'gc', 'V8.GCFinalizeMC': 'gc', 'V8.GCIncrementalMarking': 'gc',
  'FunctionCall': 'script', 'EvaluateScript': 'script', 'FireAnimationFrame': 'script', 'TimerFire': 'script', 'RunMicrotasks': 'script', 'EventDispatch': 'script',
  'UpdateLayoutTree': 'style', 'Layout': 'layout', 'PrePaint': 'paint', 'Paint': 'paint', 'Layerize': 'paint', 'Commit': 'paint', 'HitTest': 'paint',
}
const TASKS = new Set(['RunTask', 'ThreadControllerImpl::RunTask'])

/** Tasks above `least` ms of the main thread of the renderer that ran most of them, the longest first; all times in ms. */
export function longTasksOf(buffer, least = 50) {
  const { traceEvents } = JSON.parse(buffer.toString())
  const mains = new Set(traceEvents.filter(event => event.name === 'thread_name' && event.args.name === 'CrRendererMain').map(event => `${event.pid} ${event.tid}`))
  const ofThread = new Map()
  for (const event of traceEvents) {
    const thread = `${event.pid} ${event.tid}`
    if (event.ph !== 'X' || !mains.has(thread)) continue
    if (!ofThread.has(thread)) ofThread.set(thread, [])
    ofThread.get(thread).push(event)
  }
  const events = [...ofThread.values()].sort((a, b) => b.length - a.length)[0] ?? []
  const long = events.filter(event => TASKS.has(event.name) && event.dur >= least * 1000)
  const tasks = long.filter(event => !long.some(other => other !== event && other.ts <= event.ts && other.ts + other.dur >= event.ts + event.dur))
  return tasks.map((task) => {
    const within = events.filter(event => event !== task && event.ts >= task.ts && event.ts + event.dur <= task.ts + task.dur)
    const parts = {}
    for (const [name, part] of Object.entries(PARTS)) {
      const own = within.filter(event => event.name === name)
      // of those that lie in one another, the outer one counts
      const outer = own.filter(event => !within.some(other => other !== event && PARTS[other.name] === part && other.ts <= event.ts && other.ts + other.dur >= event.ts + event.dur && (other.dur > event.dur || other.ts < event.ts)))
      const ms = outer.reduce((sum, event) => sum + event.dur, 0) / 1000
      if (ms >= 1) parts[part] = Math.round((parts[part] ?? 0) + ms)
    }
    return { ms: Math.round(task.dur / 1000), cpu_ms: task.tdur === undefined ? null : Math.round(task.tdur / 1000), parts }
  }).sort((a, b) => b.ms - a.ms)
}
