// Whether a task that is sent while the list is open appears in it without a reload, and whether its page shows what
// it was called with and what it returned. Two ways to use it:
//
//   node e2e/check-live-task.mjs URL NAME [--limit MS] [--expect TEXT]... [--send COMMAND]
//     Opens the list, prints READY, and (with --send) runs COMMAND in a shell, which prints the id of the task that it
//     sent; without, reads the id from the first line of its standard input. NAME is the task's name.
//
// Exit code 0 when all holds; otherwise 1 and a line for each thing that does not. --limit is the time from knowing
// the id to the row being on screen (default 1000 ms). Each TEXT must stand on the task's page.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { fail, openBrowser, openPage } from './browser.mjs'

const { positionals: [url = process.env.KANCHI_URL, name], values } = parseArgs({
  allowPositionals: true,
  options: { limit: { type: 'string', default: '1000' }, expect: { type: 'string', multiple: true, default: [] }, send: { type: 'string' } },
})
if (!url || !name) throw new Error('Usage: node e2e/check-live-task.mjs URL NAME [--limit MS] [--expect TEXT]... [--send COMMAND]')
const base = url.replace(/\/$/, '')
const limit = Number(values.limit)
const PATIENCE_MS = 15_000

async function sentId() {
  const child = values.send ? spawn('sh', ['-c', values.send], { stdio: ['ignore', 'pipe', 'inherit'] }) : null
  const lines = createInterface({ input: child ? child.stdout : process.stdin })
  for await (const line of lines) if (line.trim()) { lines.close(); return line.trim() }
  throw new Error('Nobody said the id of the task that was sent.')
}

async function checkList(page) {
  await page.goto(`${base}/tasks`)
  await page.waitForSelector('[data-testid=connection][data-state=open]', { timeout: PATIENCE_MS })
  await page.waitForLoadState('networkidle').catch(() => {})
  await page.evaluate(() => { window.kanchiSameDocument = true })
  console.log('READY')
  const id = await sentId()
  const began = Date.now()
  const row = page.locator(`[data-task-id="${CSS_escape(id)}"]`)
  await row.waitFor({ timeout: PATIENCE_MS })
  const took = Date.now() - began
  console.log(`in the list after ${took} ms`)
  if (took > limit) fail(`the task was on screen after ${took} ms; the limit is ${limit} ms`)
  if (!await page.evaluate(() => window.kanchiSameDocument === true)) fail('the page was loaded anew')
  const text = await row.textContent()
  if (!text.includes(name)) fail(`the row does not show the name ${name}: ${text}`)
  return { id, row }
}

const CSS_escape = text => text.replace(/["\\]/g, '\\$&')

async function checkDetail(page, id) {
  await page.goto(`${base}/tasks/${encodeURIComponent(id)}`)
  const shown = page.locator('[data-testid=task-id]')
  await shown.waitFor({ timeout: PATIENCE_MS })
  if (await shown.textContent() !== id) fail(`the page shows another task: ${await shown.textContent()}`)
  await page.locator('[data-testid=task-status] >> text=Succeeded').waitFor({ timeout: PATIENCE_MS }).catch(() => fail('the task\'s page does not say Succeeded'))
  for (const field of ['arguments', 'keyword arguments', 'result']) {
    const text = await page.locator(`[data-field="${field}"]`).innerText()
    if (/not known|No result|carries no/i.test(text)) fail(`the page shows no ${field}: ${text}`)
  }
  const all = (await page.locator('main').innerText()).replace(/\s+/g, ' ')
  for (const wanted of values.expect) if (!all.includes(wanted)) fail(`the task's page does not show ${wanted}`)
}

const browser = await openBrowser()
try {
  const { page, complaints } = await openPage(browser, base)
  const { id } = await checkList(page)
  await checkDetail(page, id)
  for (const complaint of complaints) fail(complaint)
  if (!process.exitCode) console.log('OK')
} catch (error) {
  fail(error.message)
} finally {
  await browser.close()
  process.stdin.destroy()
}
