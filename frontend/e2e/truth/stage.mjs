// What scenes have in common: pages, and waiting for what a viewer should see.
import { openPage } from '../browser.mjs'

export const PATIENCE = Number(process.env.KANCHI_PATIENCE ?? 20_000)
export const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true }

export class Stage {
  #opened = []
  #kept = new Map()

  constructor(browser, base) {
    this.browser = browser
    this.base = base
  }

  /** A new page that is live. options: as for a Chromium context; keep: a name under which kept() gives it to a later scene. */
  async open(path, { keep, ...options } = {}) {
    const opened = await openPage(this.browser, this.base, options)
    if (keep) this.#kept.set(keep, opened)
    else this.#opened.push(opened)
    opened.page.setDefaultTimeout(PATIENCE)
    opened.page.complaints = opened.complaints
    await this.go(opened.page, path)
    return opened.page
  }

  /** Opens another path in a page, and waits until it is live. */
  async go(page, path) {
    await page.goto(this.base + path)
    await page.waitForSelector('[data-testid=connection][data-state=open]')
  }

  kept(name) {
    return this.#kept.get(name).page
  }

  /** JSON of the REST interface. */
  async get(path) {
    const answer = await fetch(`${this.base}/api/v1${path}`)
    if (!answer.ok) throw new Error(`GET ${path}: ${answer.status}`)
    return answer.json()
  }

  /** Text of the pages that are open, for the report of a failure. */
  async shown() {
    const texts = []
    for (const { page } of [...this.#opened, ...this.#kept.values()]) {
      texts.push(`--- ${page.url()}\n${words(await page.locator('body').innerText({ timeout: 2000 }).catch(() => '(no text)')).slice(0, 1500)}`)
    }
    return texts.join('\n')
  }

  async tidy() {
    for (const { context } of this.#opened.splice(0)) await context.close()
  }

  async letGo(name) {
    await this.#kept.get(name)?.context.close()
    this.#kept.delete(name)
  }
}

/** Waits until look() is true; it may throw instead, to say what it saw. */
export async function until(look, what, patience = PATIENCE) {
  const end = Date.now() + patience
  for (let last; ;) {
    try {
      const seen = await look()
      if (seen) return seen
      last = `saw ${JSON.stringify(seen)}`
    } catch (error) {
      last = error.message
    }
    if (Date.now() > end) throw new Error(`never so: ${what}. ${last}`)
    await new Promise(resolve => setTimeout(resolve, 100))
  }
}

export function check(so, what) {
  if (!so) throw new Error(what)
}

export function equal(seen, wanted, what) {
  check(JSON.stringify(seen) === JSON.stringify(wanted), `${what}: ${JSON.stringify(seen)}, not ${JSON.stringify(wanted)}`)
}

/** Words of a text, one space between them. */
export const words = text => text.replace(/\s+/g, ' ').trim()

/** Waits for a text that a viewer can see. */
export async function sees(where, text) {
  await where.getByText(text).filter({ visible: true }).first().waitFor().catch(() => { throw new Error(`no text ${text}`) })
}

export async function seesNot(where, text) {
  const found = await where.getByText(text).filter({ visible: true }).allInnerTexts()
  check(found.length === 0, `the text ${text} is there: ${found[0]}`)
}

/** Nothing is wider than the window. */
export async function fitsSideways(page, what) {
  const [wide, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth])
  check(wide <= window, `${what} is ${wide} px wide in a window of ${window} px`)
}
