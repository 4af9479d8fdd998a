// Actions: what they ask, what they say, and what one sees of them afterwards.
import { check, equal, sees, seesNot, until, words } from './stage.mjs'

const dialog = page => page.getByTestId('action')
const confirmButton = page => page.getByTestId('confirm')
const main = page => page.locator('main')

/** Fills in the number that a grave action asks for, if it does, and confirms. */
async function confirm(page) {
  await page.locator('[data-testid=action][data-phase=ready]').waitFor()
  const field = page.getByTestId('number')
  if (await field.count()) await field.fill(/([\d,]+) to confirm/.exec(await dialog(page).innerText())[1])
  await confirmButton(page).click()
  await page.locator('[data-testid=action][data-phase=done]').waitFor()
}

async function close(page) {
  await page.keyboard.press('Escape')
  await dialog(page).waitFor({ state: 'detached' })
}

/** The text of the dialog once it knows what it would do. */
async function planOf(page) {
  await page.locator('[data-testid=action][data-phase=ready]').waitFor()
  return words(await dialog(page).innerText())
}

async function bulk(page, verb) {
  await page.locator('[data-offers="Bulk actions"]').click()
  await page.locator(`[data-offer=${verb}]`).click()
}

/** After a retry the row says so and is no longer selected. */
export async function aRetriedRowSaysSo(stage, { id }) {
  const page = await stage.open('/tasks?status=failure')
  const row = page.locator(`[data-task-id="${id}"]`)
  await row.waitFor()
  await row.hover()
  await row.locator('input[type=checkbox]').check()
  const selection = page.getByTestId('selection')
  await selection.waitFor()
  await page.keyboard.press('r')
  await confirm(page)
  await close(page)
  await until(async () => !await selection.isVisible(), 'the selection is cleared')
  await until(async () => /retried/i.test(await row.innerText()) || await row.locator('[aria-label*="retried" i], [title*="retried" i]').count() > 0, 'the row says that it was retried')
  // Both tasks are linked.
  await page.goto(`${stage.base}/tasks/${encodeURIComponent(id)}`)
  const link = page.getByTestId('retried-as').first()
  await link.waitFor()
  await link.click()
  await page.getByTestId('retry-of').first().waitFor()
}

/** What is resolved is marked in the list, can be filtered, and is no longer a failure to look at. */
export async function aResolvedTaskCanBeSeen(stage, { id, name }) {
  const page = await stage.open(`/tasks/${encodeURIComponent(id)}`)
  await page.locator('[data-offer=resolve]').first().click()
  await confirm(page)
  await close(page)
  await page.getByTestId('resolved').first().waitFor()
  await stage.go(page, `/tasks?name=${name}`)
  const row = page.locator(`[data-task-id="${id}"]`)
  await row.waitFor()
  await until(async () => /resolved/i.test(await row.innerText()) || await row.locator('[aria-label*="resolved" i], [title*="resolved" i]').count() > 0, 'the row says resolved')
  await stage.go(page, `/tasks?name=${name}&resolved=false`)
  await page.locator('[data-task-id]').first().waitFor()
  equal(await row.count(), 0, 'it is in the list of what is not resolved; rows')
  await stage.go(page, `/tasks?name=${name}&resolved=true`)
  await row.waitFor()
  equal(await page.locator('[data-task-id]').count(), 1, 'rows that are resolved')
}

/** One of a thing is said in the singular. */
export async function oneIsSingular(stage, { failing, waiting }) {
  const page = await stage.open(`/tasks?status=failure&name=${failing}`)
  await page.locator('[data-task-id]').first().waitFor()
  await bulk(page, 'retry')
  let said = await planOf(page)
  check(/\b1 task will\b|\b1 task is\b|\b1 of 1 task\b/.test(said) && !/1 tasks|1 task (are|will be .* as new tasks)\b/.test(said), `the retry of one says: ${said}`)
  await close(page)
  await stage.go(page, `/tasks?status=pending&name=${waiting}`)
  await page.locator('[data-task-id]').first().waitFor()
  await bulk(page, 'revoke')
  said = await planOf(page)
  check(!/1 tasks|1 task (are|that wait)/.test(said), `the revocation of one says: ${said}`)
  await close(page)
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

/** A rate limit is taken as one says it, is explained when it is wrong, and is shown beside its task when it is set. */
export async function aRateLimitIsExplainedAndShown(stage, { worker, name }) {
  const page = await stage.open(`/workers/${encodeURIComponent(worker)}?tab=tasks`)
  await page.locator('[data-offer=rate_limit]').first().click()
  await dialog(page).waitFor()
  await page.fill('[data-testid=action] [name=task_name]', name)
  await page.fill('[data-testid=action] [name=rate_limit]', 'a hundred')
  await until(async () => /per second, minute or hour/.test(words(await dialog(page).getByRole('alert').innerText())), 'an error that says what is allowed')
  check(await confirmButton(page).isDisabled(), 'a wrong rate limit can be confirmed')
  await page.fill('[data-testid=action] [name=rate_limit]', '100 per minute')
  await until(async () => /100 per minute/.test(await planOf(page)), 'the dialog says what it will do')
  await confirm(page)
  await close(page)
  const row = main(page).locator('tr').filter({ hasText: name })
  await until(async () => /100 per minute/.test(words(await row.innerText())), 'the limit that was set stands beside its task')
}

/** After a pool has grown, the page says how many processes it has now. */
export async function aGrownPoolIsCounted(stage, { worker, before }) {
  const page = await stage.open(`/workers/${encodeURIComponent(worker)}?tab=pool`)
  const now = async () => Number(/processes now (\d+)/i.exec(words(await main(page).innerText()))?.[1])
  await until(async () => await now() === before, `the pool has ${before} processes`)
  await page.locator('[data-offer=pool_grow]').first().click()
  await confirm(page)
  await close(page)
  await until(async () => await now() === before + 1, `the pool has ${before + 1} processes`)
}

/** Counts of a worker say of which time they are. */
export async function countsSayTheirPeriod(stage, { worker }) {
  const page = await stage.open(`/workers/${encodeURIComponent(worker)}?tab=tasks`)
  await until(async () => {
    const said = words(await main(page).innerText())
    return /since (its |the )?(start|worker)/i.test(said) && /(last|past) (day|24 ?h|hour)/i.test(said)
  }, 'the columns say since when they count')
}

/** A purge is asked for; the dialog stays open. */
export async function aPurgeIsAsked(stage, { queue, waiting }) {
  const page = await stage.open(`/queues/${encodeURIComponent(queue)}`, { keep: 'purge' })
  await page.locator('[data-offer=purge]').first().click()
  await until(async () => new RegExp(`\\b${waiting} waiting messages`).test(await planOf(page)), `${waiting} messages will be deleted`)
}

/** Messages came since the dialog opened: as many are deleted as it said. */
export async function aBusyQueueIsPurged(stage, { removed }) {
  const page = stage.kept('purge')
  await confirm(page)
  await sees(dialog(page), `${removed} messages were removed`)
  await stage.letGo('purge')
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

/** The overview, the issues of the system and the doctor say that a queue without a consumer is equally bad. */
export async function theDoctorAgrees(stage, { queue }) {
  const page = await stage.open('/')
  const issue = page.getByTestId('verdict-line').filter({ hasText: queue }).first()
  const badness = where => where.getByRole('img').getAttribute('aria-label')
  await issue.waitFor()
  const onOverview = await badness(issue)
  await stage.go(page, '/system')
  await issue.waitFor()
  equal(await badness(issue), onOverview, 'how bad it is among the issues')
  const doctor = page.getByTestId('doctor')
  await doctor.getByRole('button').click()
  const finding = doctor.getByRole('listitem').filter({ hasText: queue })
  await finding.waitFor()
  equal(await badness(finding), onOverview, 'how bad it is for the doctor')
  await seesNot(main(page), /nothing is failing|no issues|no problems found/i)
}
