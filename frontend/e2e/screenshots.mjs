// Pictures of every page, light and dark, wide, at 1024 pixels, at 200% and on a phone; says what is wider than the screen:
//   node e2e/screenshots.mjs URL FOLDER [--only NAME] [--sizes wide,narrow,zoomed,phone]
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { openBrowser, openPage } from './browser.mjs'
import { places } from './places.mjs'

const { positionals: [url = process.env.KANCHI_URL, folder = 'screenshots'], values: { only, sizes: chosen } } = parseArgs({ allowPositionals: true, options: { only: { type: 'string' }, sizes: { type: 'string' } } })
if (!url) throw new Error('Usage: node e2e/screenshots.mjs URL FOLDER')
const base = url.replace(/\/$/, '')
const SETTLE_MS = Number(process.env.SETTLE_MS ?? 2500)

const SIZES = {
  wide: { viewport: { width: 1440, height: 900 } },
  narrow: { viewport: { width: 1024, height: 768 } },
  // A window of 1440 by 900 at 200%.
  zoomed: { viewport: { width: 720, height: 450 }, deviceScaleFactor: 2 },
  phone: { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true },
}
const sizes = Object.entries(SIZES).filter(([size]) => !chosen || chosen.split(',').includes(size))

const browser = await openBrowser()
mkdirSync(folder, { recursive: true })
for (const [size, options] of sizes) {
  for (const colorScheme of ['light', 'dark']) {
    const { context, page, complaints } = await openPage(browser, base, { ...options, colorScheme })
    for (const [name, path] of (await places(base)).filter(([name]) => !only || name === only)) {
      await page.goto(base + path)
      await page.waitForSelector('[data-testid=connection][data-state=open]', { timeout: 10_000 }).catch(() => console.warn(`${name}: not live`))
      await page.waitForTimeout(SETTLE_MS)
      const wider = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
      if (wider > 0) console.warn(`${name}-${size}: ${wider} pixels wider than the screen`)
      await page.screenshot({ path: join(folder, `${name}-${size}-${colorScheme}.png`) })
    }
    for (const complaint of complaints) console.warn(complaint)
    await context.close()
  }
}
await browser.close()
