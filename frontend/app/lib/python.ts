import { rawNumber } from './exactJson'

/** JSON values in Python's notation, for people who think in it. */

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

export function pythonScalar(value: null | boolean | number | string): string {
  const kept = rawNumber(value)
  if (kept !== null) return kept
  if (value === null) return 'None'
  if (value === true) return 'True'
  if (value === false) return 'False'
  return typeof value === 'string' ? pythonString(value) : String(value)
}

/** As repr() does: single quotes, unless the text has such and no double ones. */
export function pythonString(text: string): string {
  const quote = text.includes('\'') && !text.includes('"') ? '"' : '\''
  let out = ''
  for (const char of text) {
    const code = char.codePointAt(0)!
    if (char === '\\' || char === quote) out += `\\${char}`
    else if (char === '\n') out += '\\n'
    else if (char === '\r') out += '\\r'
    else if (char === '\t') out += '\\t'
    else if (code < 0x20 || code === 0x7f) out += `\\x${code.toString(16).padStart(2, '0')}`
    else out += char
  }
  return quote + out + quote
}

export type Shape = 'scalar' | 'list' | 'dict'

export function shapeOf(value: Json): Shape {
  if (Array.isArray(value)) return 'list'
  if (rawNumber(value) !== null) return 'scalar'
  return value !== null && typeof value === 'object' ? 'dict' : 'scalar'
}

/** One line that says what is inside, for a folded node. */
export function summary(value: Json): string {
  if (Array.isArray(value)) return value.length === 0 ? '[]' : `[${value.length} ${value.length === 1 ? 'item' : 'items'}]`
  if (value !== null && typeof value === 'object') {
    const n = Object.keys(value).length
    return n === 0 ? '{}' : `{${n} ${n === 1 ? 'key' : 'keys'}}`
  }
  return pythonScalar(value)
}
