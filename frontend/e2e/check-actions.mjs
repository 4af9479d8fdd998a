// The main actions, on a running Kanchi beside a real Celery:
//   node e2e/check-actions.mjs URL --failed ID --worker ID --waiting NAME --tasks N --queue NAME --messages N
// A task that failed is retried, N tasks of a name are revoked at once, the messages of a queue are purged, a pool grows,
// a queue is paused and resumed, a task is sent, workers that are selected are pinged, and the audit lists it all. axe looks at each dialog.
import { parseArgs } from 'node:util'
import { violations } from './axe.mjs'
import { fail, openBrowser, openPage } from './browser.mjs'

const { positionals: [url], values: wanted } = parseArgs({ allowPositionals: true, options: Object.fromEntries(
  ['failed', 'worker', 'waiting', 'tasks', 'queue', 'messages'].map(name => [name, { type: 'string' }])) })
if (!url) throw new Error('Usage: node e2e/check-actions.mjs URL --failed ID …')
const base = url.replace(/\/$/, '')
const PATIENCE = { timeout: 20_000 }
const dialog = '[data-testid=action]'

async function goTo(page, path) {
  await page.goto(base + path)
  await page.waitForSelector('[data-testid=connection][data-state=open]', PATIENCE)
}

/** Says yes to the dialog that is open, by keyboard, once it has said `told`. */
async function confirm(page, told) {
  await page.locator(`${dialog}[data-phase=ready]`, { hasText: told }).waitFor(PATIENCE)
  for (const violation of await violations(page)) fail(`${told}: ${violation}`)
  await page.locator('[data-testid=confirm]').focus()
  await page.keyboard.press('Enter')
  await page.waitForSelector(`${dialog}[data-phase=done]`, PATIENCE)
}

async function close(page) {
  await page.keyboard.press('Escape')
  await page.waitForSelector(dialog, { ...PATIENCE, state: 'detached' })
}

async function retryTask(page) {
  await goTo(page, `/tasks/${encodeURIComponent(wanted.failed)}`)
  await page.waitForSelector('[data-offer=retry]', PATIENCE)
  await page.keyboard.press('r')
  await confirm(page, 'will be sent to queue')
  await close(page)
  await page.waitForSelector('[data-testid=retried-as]', PATIENCE)
  await page.locator('[data-offer=resolve]').click()
  await confirm(page, 'Marks this task as resolved')
  await close(page)
  await page.waitForSelector('[data-testid=resolved]', PATIENCE)
}

async function revokeMany(page) {
  await goTo(page, `/tasks?status=pending&name=${encodeURIComponent(wanted.waiting)}`)
  await page.locator('[data-offers="Bulk actions"]').click()
  await page.locator('[data-offer=revoke]').click()
  await confirm(page, `${wanted.tasks} tasks will be revoked`)
  await page.waitForSelector(`${dialog} [data-testid=job][data-state=done]`, PATIENCE)
  await page.locator(`${dialog} >> text=Done ${wanted.tasks}`).waitFor(PATIENCE)
  await close(page)
}

async function actOnQueue(page) {
  await goTo(page, `/queues/${encodeURIComponent(wanted.queue)}`)
  await page.locator('[data-testid=messages] li').nth(Number(wanted.messages) - 1).waitFor(PATIENCE)
  await page.locator('[data-offer=pause]').click()
  await confirm(page, 'until you resume it')
  await close(page)
  await page.locator('[data-testid=paused]').first().waitFor(PATIENCE)
  // By the palette, as somebody who has no mouse would.
  await page.keyboard.press('Control+k')
  await page.locator('[role=dialog] input').waitFor(PATIENCE)
  await page.keyboard.type('resume')
  await page.locator('[role=option] >> text=Resume').first().waitFor(PATIENCE)
  await page.keyboard.press('Enter')
  await confirm(page, 'will consume it again')
  await close(page)
  await page.locator('[data-offer=purge]').click()
  await confirm(page, `Up to ${wanted.messages} waiting messages will be deleted`)
  await page.locator(`${dialog} >> text=${wanted.messages} messages were removed`).waitFor(PATIENCE)
  await close(page)
}

async function growPool(page) {
  await goTo(page, `/workers/${encodeURIComponent(wanted.worker)}?tab=pool`)
  await page.locator('[data-offer=pool_grow]').first().click()
  await confirm(page, 'Sent to')
  await page.locator('[data-testid=replies]', { hasText: wanted.worker }).waitFor(PATIENCE)
  await close(page)
}

async function sendTask(page) {
  await goTo(page, '/')
  await page.keyboard.press('Control+k')
  await page.locator('[role=dialog] input').waitFor(PATIENCE)
  await page.keyboard.type('send a task')
  await page.locator('[role=option] >> text=Send task').first().waitFor(PATIENCE)
  await page.keyboard.press('Enter')
  await page.fill(`${dialog} [name=name]`, wanted.waiting)
  await page.fill(`${dialog} [name=args]`, '[0.0]')
  await page.fill(`${dialog} [name=queue]`, 'default')
  await page.locator(`${dialog}[data-phase=ready]`, { hasText: '0.0' }).waitFor(PATIENCE)
  await confirm(page, 'Will be sent to queue default')
  const link = page.locator(`${dialog} a`).first()
  const sent = await link.innerText()
  await link.click()
  await page.locator('main', { hasText: sent }).locator('[data-status=success]').first().waitFor(PATIENCE)
}

async function pingSelected(page) {
  await goTo(page, '/workers')
  await page.locator(`[data-worker-id="${wanted.worker}"] input[type=checkbox]`).check(PATIENCE)
  await page.locator('[data-testid=selection] [data-offers="Actions"]').click()
  await page.locator('[data-offer=ping]').click()
  await confirm(page, 'Checks that the worker responds')
  await page.locator('[data-testid=replies]', { hasText: 'pong' }).waitFor(PATIENCE)
  await close(page)
}

async function readAudit(page) {
  await goTo(page, '/audit')
  for (const verb of ['retry', 'resolve', 'bulk', 'pause', 'resume', 'purge', 'command', 'apply']) {
    await page.locator(`[data-testid=audit-entry][data-verb=${verb}][data-outcome=done]`).first().waitFor(PATIENCE).catch(() => fail(`the audit has no ${verb} that is done`))
  }
}

const browser = await openBrowser()
const { page, complaints } = await openPage(browser, base)
try {
  for (const step of [retryTask, revokeMany, actOnQueue, growPool, sendTask, pingSelected, readAudit]) {
    await step(page).catch(async (error) => {
      const said = await page.locator('[role=dialog]').innerText({ timeout: 1000 }).catch(() => 'no dialog')
      throw new Error(`${step.name}: ${error.message}\n${said}`)
    })
  }
  for (const complaint of complaints) fail(complaint)
} catch (error) {
  fail(error.message)
} finally {
  await browser.close()
}
if (!process.exitCode) console.log('OK')
