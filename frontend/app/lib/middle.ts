/** Longer texts are cut in their middle when there is no room: the end of a dotted name or of a pod's name tells it apart. */
const SHORT = 18
const TAIL = 14
/** Cut anywhere, text that runs from right to left changes its order. */
const RIGHT_TO_LEFT = /[\u0590-\u08FF\uFB1D-\uFDFF\uFE70-\uFEFF]/

/** The part that may be cut at its end, and the part that stays. */
export function middleParts(text: string): [head: string, tail: string] {
  if (text.length <= SHORT || RIGHT_TO_LEFT.test(text)) return [text, '']
  let at = text.length - TAIL
  const code = text.charCodeAt(at)
  if (code >= 0xDC00 && code <= 0xDFFF) at--
  return [text.slice(0, at), text.slice(at)]
}
