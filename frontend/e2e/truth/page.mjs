// What any page has: the palette, the filter, the keyboard, pages that are not there.
import { check, equal, sees, until, words } from './stage.mjs'

const highlighted = page => page.locator('[role=dialog] [role=option][data-highlighted]')

/** The first match is highlighted while one types, and Enter on an untouched palette does nothing to tasks. */
export async function thePaletteTakesTheBestMatch(stage, { worker }) {
  const page = await stage.open('/tasks')
  await page.keyboard.press('Control+k')
  const input = page.locator('[role=dialog] input')
  await input.waitFor()
  const first = words(await highlighted(page).first().innerText({ timeout: 1000 }).catch(() => ''))
  check(!/retry|revoke|terminate|purge|shut/i.test(first), `an untouched palette highlights ${first}`)
  for (const typed of ['queues', worker]) {
    await input.fill('')
    await input.pressSequentially(typed, { delay: 5 })
    await until(async () => {
      const all = (await page.locator('[role=dialog] [role=option]').allInnerTexts()).map(words)
      const chosen = words(await highlighted(page).innerText({ timeout: 1000 }))
      equal(chosen, all[0], 'the highlighted entry')
      return chosen.toLowerCase().includes(typed.toLowerCase())
    }, `the first match of ${typed} is highlighted`)
    // Also when the results of the search have come.
    await page.waitForTimeout(800)
    const all = (await page.locator('[role=dialog] [role=option]').allInnerTexts()).map(words)
    equal(words(await highlighted(page).innerText()), all[0], 'the highlighted entry, after the search')
  }
  await page.keyboard.press('Enter')
  await page.waitForURL(/\/workers\//)
}

/** Any period that the URL takes can be typed. */
export async function aPeriodCanBeTyped(stage) {
  const page = await stage.open('/tasks')
  const filter = page.getByRole('combobox', { name: /filter/i })
  await filter.click()
  await filter.pressSequentially('time:10m')
  await page.getByRole('option').first().waitFor()
  await page.keyboard.press('Enter')
  await page.waitForURL(/[?&]last=10m/)
}

/** The list in the settings has the keys of all pages. */
export async function settingsListEveryKey(stage) {
  const page = await stage.open('/settings')
  const main = page.locator('main')
  await main.getByText(/keyboard/i).first().waitFor()
  const keys = new Set((await main.locator('kbd').allInnerTexts()).map(words))
  for (const key of ['j', 'k', 'x', 'r', '.', '/']) {
    check([...keys].some(one => one.toLowerCase() === key), `the settings do not list ${key}, only ${[...keys].join(' ')}`)
  }
}

/** A page that is not there is said inside the frame, with the navigation and the search. */
export async function aMissingPageKeepsTheFrame(stage) {
  const page = await stage.open('/no/such/page')
  await sees(page, /page not found/i)
  await page.getByRole('navigation').getByRole('link', { name: /Tasks/ }).click()
  await page.waitForURL(/\/tasks$/)
  await page.goBack()
  await sees(page, /page not found/i)
  await page.keyboard.press('Control+k')
  await page.locator('[role=dialog] input').waitFor()
  equal(page.complaints, [], 'the console has')
}

/** A task that is not there costs one request, and no error in the console. */
export async function aMissingTaskIsAskedOnce(stage) {
  const page = await stage.open('/settings')
  const asked = [], errors = []
  page.on('request', request => new URL(request.url()).pathname.includes('no-such-task') && request.resourceType() === 'fetch' && asked.push(request.url()))
  page.on('console', message => message.type() === 'error' && errors.push(message.text()))
  await stage.go(page, '/tasks/no-such-task')
  await sees(page.locator('main'), /task not found/i)
  equal(asked.length, 1, `requests for the task: ${asked}; their number`)
  equal(errors, [], 'the console has')
}
