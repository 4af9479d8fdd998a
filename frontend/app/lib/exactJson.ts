/**
 * JSON whose numbers stay as they were written. Python tells 1.0 from 1 and knows integers of any size; JavaScript does
 * neither, so such numbers are kept as their text: what is shown or sent again is what was there. Browsers older than
 * 2025 can't, and read them as JavaScript does.
 */
interface RawJson { rawJSON: string }
const known = JSON as unknown as { rawJSON?: (text: string) => RawJson, isRawJSON?: (value: unknown) => boolean }

export function parseExact(text: string): unknown {
  const revive = (_key: string, value: unknown, context?: { source?: string }) =>
    typeof value === 'number' && known.rawJSON && context?.source !== undefined && String(value) !== context.source ? known.rawJSON(context.source) : value
  return JSON.parse(text, revive as (key: string, value: unknown) => unknown)
}

export function exactText(value: unknown, indent = 2): string {
  return JSON.stringify(value ?? null, null, indent)
}

/** The text of a number that was kept, else null. */
export function rawNumber(value: unknown): string | null {
  return known.isRawJSON?.(value) ? (value as RawJson).rawJSON : null
}
