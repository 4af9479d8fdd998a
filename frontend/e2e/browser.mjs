// The system's Chromium, with an empty profile each time and without a word to anybody else.
import { existsSync } from 'node:fs'
import { chromium } from 'playwright-core'

const PLACES = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']

export async function openBrowser() {
  const executablePath = PLACES.find(place => place && existsSync(place))
  if (!executablePath) throw new Error('No Chromium found. Install the package chromium, or set CHROMIUM to its path.')
  return chromium.launch({ executablePath, chromiumSandbox: false, args: FLAGS })
}

/**
 * A page that notes what must not happen: requests to other origins, uncaught errors, violations of the content
 * security policy. `complaints` holds them as text.
 */
export async function openPage(browser, base, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options })
  const page = await context.newPage()
  const complaints = []
  const origin = new URL(base).origin
  page.on('request', (request) => {
    const url = request.url()
    if (!url.startsWith('data:') && !url.startsWith('blob:') && new URL(url).origin !== origin) complaints.push(`request to another origin: ${url}`)
  })
  page.on('pageerror', error => complaints.push(`uncaught: ${error.message}`))
  page.on('console', (message) => {
    // That the gateway does not answer is for the checks that stop it to judge.
    if (message.type() === 'error' && !/Failed to load resource|WebSocket connection/.test(message.text())) complaints.push(message.text())
  })
  return { context, page, complaints }
}

/** Prints why and ends with an exit code that tells of failure. */
export function fail(text) {
  console.error(`FAIL ${text}`)
  process.exitCode = 1
}
