// @vitest-environment node
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { STATUSES } from '~/lib/status'

const css = readFileSync(new URL('../app/assets/css/main.css', import.meta.url), 'utf8')

function theme(selector: string): Record<string, string> {
  const block = new RegExp(`\\n${selector.replace('.', '\\.')} \\{([^}]*)\\}`).exec(css)![1]!
  return Object.fromEntries([...block.matchAll(/--([\w-]+): (#[0-9a-f]{6});/g)].map(([, name, value]) => [name!, value!]))
}

function luminance(hex: string): number {
  const [r, g, b] = [1, 3, 5].map((i) => {
    const c = Number.parseInt(hex.slice(i, i + 2), 16) / 255
    return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!
}

function contrast(a: string, b: string): number {
  const [bright, dim] = [luminance(a), luminance(b)].sort((x, y) => y - x)
  return (bright! + 0.05) / (dim! + 0.05)
}

describe.each([[':root'], ['.dark']])('colours of %s', (selector) => {
  const colours = { ...theme(':root'), ...theme(selector) }

  it.each(['paper', 'surface', 'sunken'])('are readable as text on %s', (ground) => {
    for (const name of ['ink', 'ink-2', 'ink-3', ...STATUSES]) {
      expect(contrast(colours[name]!, colours[ground]!), `${name} on ${ground}`).toBeGreaterThanOrEqual(4.5)
    }
  })

  it.each(['paper', 'surface', 'sunken'])('show the borders of fields and buttons on %s', (ground) => {
    expect(contrast(colours['line-2']!, colours[ground]!)).toBeGreaterThanOrEqual(3)
  })

  it('have a focus ring and solid buttons that stand out', () => {
    expect(contrast(colours.focus!, colours.paper!)).toBeGreaterThanOrEqual(3)
    expect(contrast(colours.inverse!, colours.ink!)).toBeGreaterThanOrEqual(7)
  })

  it.each(['success', 'failure', 'started', 'rejected', 'revoked'])('let the chart\'s %s stand out from its ground', (status) => {
    expect(contrast(colours[`chart-${status}`]!, colours.surface!)).toBeGreaterThanOrEqual(3)
  })

  it('keep success and failure apart without red and green: one is clearly lighter', () => {
    expect(Math.abs(luminance(colours['chart-success']!) - luminance(colours['chart-failure']!))).toBeGreaterThanOrEqual(0.05)
  })
})
