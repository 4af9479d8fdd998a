// Workers that come and go, and what the overview says of it.
import { equal, sees } from './stage.mjs'

/** A worker that went long ago is still named while it holds tasks: also for a viewer who comes 40 minutes later. */
export async function aWorkerGoneForLongIsNotForgotten(stage, { worker }) {
  const page = await stage.open('/settings')
  await page.clock.setFixedTime(Date.now() + 40 * 60_000)
  await stage.go(page, '/')
  const line = page.getByTestId('verdict-line').filter({ hasText: worker })
  await line.waitFor()
  await sees(line, /1 task|unfinished/)
  equal(await line.getAttribute('data-severity'), 'error', 'how bad it is')
}
