// Pictures of every page, light and dark, wide and on a phone:
//   node e2e/screenshots.mjs URL FOLDER [--only NAME]
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { openBrowser, openPage } from './browser.mjs'
import { places } from './places.mjs'

const { positionals: [url = process.env.KANCHI_URL, folder = 'screenshots'], values: { only } } = parseArgs({ allowPositionals: true, options: { only: { type: 'string' } } })
if (!url) throw new Error('Usage: node e2e/screenshots.mjs URL FOLDER')
const base = url.replace(/\/$/, '')
const SETTLE_MS = Number(process.env.SETTLE_MS ?? 2500)

const SIZES = { wide: { viewport: { width: 1440, height: 900 } }, phone: { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true } }

const browser = await openBrowser()
mkdirSync(folder, { recursive: true })
for (const [size, options] of Object.entries(SIZES)) {
  for (const colorScheme of ['light', 'dark']) {
    const { context, page, complaints } = await openPage(browser, base, { ...options, colorScheme })
    for (const [name, path] of (await places(base)).filter(([name]) => !only || name === only)) {
      await page.goto(base + path)
      await page.waitForSelector('[data-testid=connection][data-state=open]', { timeout: 10_000 }).catch(() => console.warn(`${name}: not live`))
      await page.waitForTimeout(SETTLE_MS)
      await page.screenshot({ path: join(folder, `${name}-${size}-${colorScheme}.png`) })
    }
    for (const complaint of complaints) console.warn(complaint)
    await context.close()
  }
}
await browser.close()
