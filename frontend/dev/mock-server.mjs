// A gateway that is none: serves .output/public and answers gateway/openapi.json's interface with invented tasks, so
// that one can work on the dashboard without Celery. Development only; see README.md.
//   node dev/mock-server.mjs [--port 8090] [--rate 12] [--empty] [--sources 2]
import { createServer } from 'node:http'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { extname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { WebSocketServer } from 'ws'
import { createFleet } from './mock-fleet.mjs'

const { values: options } = parseArgs({ options: {
  port: { type: 'string', default: '8090' },
  rate: { type: 'string', default: '12' },
  empty: { type: 'boolean', default: false },
  sources: { type: 'string', default: '1' },
} })

const output = fileURLToPath(new URL('../.output/', import.meta.url))
const site = join(output, 'public')
const fleet = createFleet({ rate: Number(options.rate), empty: options.empty, sources: Number(options.sources) })
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.woff2': 'font/woff2', '.json': 'application/json', '.txt': 'text/plain' }

function policy() {
  const file = join(output, 'csp.json')
  const hashes = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).script_hashes : []
  return `default-src 'none'; script-src 'self' ${hashes.map(hash => `'${hash}'`).join(' ')}; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'`
}

function sendJson(response, status, body) {
  response.writeHead(status, { 'Content-Type': status < 400 ? 'application/json' : 'application/problem+json', 'Cache-Control': 'no-store' })
  response.end(JSON.stringify(body))
}

const notFound = path => ({ type: 'about:blank', title: 'Not found', status: 404, detail: `There is no ${path}.` })

function answerApi(url, response) {
  const query = url.searchParams
  const parts = url.pathname.split('/').slice(3).map(decodeURIComponent)
  const found = route(parts, query)
  if (found) sendJson(response, 200, found)
  else sendJson(response, 404, notFound(url.pathname))
}

function route([what, id, sub], query) {
  if (what === 'tasks' && id === undefined) return fleet.listTasks(query)
  if (what === 'tasks' && sub === 'events') return fleet.listEvents(id)
  if (what === 'tasks') return fleet.getTask(id)
  if (what === 'workers') return id === undefined ? { items: fleet.workers(), next_cursor: null } : fleet.getWorker(id)
  if (what === 'queues') return id === undefined ? { items: fleet.queues(), next_cursor: null } : fleet.getQueue(id)
  if (what === 'metrics' && id === 'timeseries') return fleet.timeseries(query)
  if (what === 'metrics') return fleet.metrics()
  if (what === 'system') return fleet.system()
  return null
}

function answerFile(url, request, response) {
  const path = normalize(join(site, decodeURIComponent(url.pathname)))
  const file = path.startsWith(site) && existsSync(path) && statSync(path).isFile() ? path : join(site, '200.html')
  const packed = request.headers['accept-encoding']?.includes('br') && existsSync(`${file}.br`)
  response.writeHead(200, {
    'Content-Type': TYPES[extname(file)] ?? 'application/octet-stream',
    'Content-Security-Policy': policy(),
    'Cache-Control': 'no-cache',
    ...(packed ? { 'Content-Encoding': 'br' } : {}),
  })
  response.end(readFileSync(packed ? `${file}.br` : file))
}

const server = createServer((request, response) => {
  const url = new URL(request.url, 'http://mock')
  try {
    if (url.pathname.startsWith('/api/v1/')) answerApi(url, response)
    else answerFile(url, request, response)
  } catch (error) {
    sendJson(response, 500, { type: 'about:blank', title: 'Broken', status: 500, detail: String(error) })
  }
})

const sockets = new WebSocketServer({ server, path: '/api/v1/ws' })
sockets.on('connection', (socket) => {
  let subscription = { topics: [], filter: {} }
  const send = frame => socket.send(JSON.stringify(frame))
  send({ type: 'hello', version: 1, server_version: '0.1.0-mock', time: new Date().toISOString(), tick_ms: 200, max_items: 200, feed: 'connected' })
  socket.on('message', (text) => {
    const frame = JSON.parse(text)
    if (frame.type === 'subscribe') {
      subscription = { topics: frame.topics, filter: frame.filter ?? {} }
      send({ type: 'subscribed', topics: frame.topics })
    } else if (frame.type === 'ping') {
      send({ type: 'pong', time: new Date().toISOString(), id: frame.id })
    }
  })
  const stop = fleet.watch((frame) => {
    const topic = { task: 'tasks', worker: 'workers', queue: 'queues', metrics: 'metrics', system: 'system' }[frame.type.split(':')[0]]
    if (!subscription.topics.includes(topic)) return
    if (topic !== 'tasks') { send(frame); return }
    const items = frame.items.filter(task => fleet.matches(task, subscription.filter) || frame.type === 'task:updated')
    if (items.length) send({ ...frame, items: items.slice(-200), omitted: Math.max(0, items.length - 200) })
  })
  socket.on('close', stop)
})

server.listen(Number(options.port), '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}/`))
