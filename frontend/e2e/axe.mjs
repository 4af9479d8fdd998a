// Accessibility by axe-core: what is serious or critical, in words.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const source = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']

export async function violations(page) {
  await page.evaluate(source)
  const found = await page.evaluate(tags => window.axe.run(document, { runOnly: { type: 'tag', values: tags }, resultTypes: ['violations'] }), TAGS)
  return found.violations
    .filter(violation => ['serious', 'critical'].includes(violation.impact))
    .map(violation => `${violation.id} (${violation.impact}): ${violation.nodes.length} times, first ${violation.nodes[0].target.join(' ')}: ${violation.nodes[0].failureSummary.replace(/\s+/g, ' ').slice(0, 300)}`)
}
