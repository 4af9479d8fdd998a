// Actions: what they ask, what they say, and what one sees of them afterwards.
import { check, equal, sees, until, words } from './stage.mjs'

const dialog = page => page.getByTestId('action')
const confirmButton = page => page.getByTestId('confirm')
const main = page => page.locator('main')

async function close(page) {
  await page.keyboard.press('Escape')
  await dialog(page).waitFor({ state: 'detached' })
}

async function bulk(page, verb) {
  await page.locator('[data-offers="Bulk actions"]').click()
  await page.locator(`[data-offer=${verb}]`).click()
}

export async function onceIsSingular(stage, { worker }) {
  const page = await stage.open(`/workers/${encodeURIComponent(worker)}`)
  await sees(main(page), /offline/i)
  await until(async () => /offline (once|1 time)\b(?!s)/i.test(words(await main(page).innerText())), 'the life of the worker says offline once')
}

/** The dialog that sends a task opens without a complaint, and knows the queue of a task that it has seen. */
export async function sendingATaskOpensClean(stage, { name, queue }) {
  const page = await stage.open(`/tasks?name=${name}`)
  await page.locator('[data-task-id]').first().waitFor()
  await page.locator('[data-offer=send]').first().click()
  await dialog(page).waitFor()
  await page.waitForTimeout(800)
  equal(await dialog(page).getByRole('alert').count(), 0, 'alerts in an untouched dialog')
  await page.fill('[data-testid=action] [name=name]', name)
  await until(async () => new RegExp(`\\b${queue}\\b`).test(`${words(await dialog(page).innerText())} ${await page.locator('[data-testid=action] [name=queue]').inputValue()} ${await page.locator('[data-testid=action] [name=queue]').getAttribute('placeholder')}`), `the queue of ${name} is known`)
  equal(await dialog(page).getByRole('alert').count(), 0, 'alerts')
  await close(page)
}

/** What hits everything takes a typed number, and its button is that of a destructive action. */
export async function allTasksTakeATypedNumber(stage, { tasks }) {
  const page = await stage.open('/tasks')
  await page.locator('[data-task-id]').first().waitFor()
  await bulk(page, 'revoke')
  await page.locator('[data-testid=action][data-phase=ready]').waitFor()
  const button = confirmButton(page)
  check(await button.isDisabled(), 'all tasks can be revoked with two clicks')
  const said = words(await dialog(page).innerText())
  const count = Number(/([\d,]+) tasks/.exec(said)[1].replace(/,/g, ''))
  check(count >= tasks, `the dialog counts ${count}`)
  const field = page.getByTestId('number')
  await field.fill(String(count + 1))
  check(await button.isDisabled(), 'another number confirms too')
  await field.fill(String(count))
  await until(async () => !await button.isDisabled(), 'the number itself confirms')
  check(/danger|destructive|failure/.test(`${await button.getAttribute('class')} ${await button.getAttribute('data-look')}`), 'the button looks like any other')
  await sees(page.getByRole('dialog'), 'Cancel')
  await close(page)
}
