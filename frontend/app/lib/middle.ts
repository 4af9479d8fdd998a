/**
 * A long name in two parts: the first may be cut with an ellipsis, the second stays whole. Names that differ only at
 * their end ("company.department.module.task_name", pods, ids) can be told apart.
 */
const SHORT = 20
const TAIL = { least: 8, usual: 14, most: 28 }
const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/

export function middleParts(text: string): readonly [head: string, tail: string] {
  if (text.length <= SHORT || RIGHT_TO_LEFT.test(text)) return [text, '']
  let at = text.length - TAIL.usual
  for (let length = TAIL.least; length <= TAIL.most && length < text.length - TAIL.least; length++) {
    if (/[.@:/-]/.test(text[text.length - length]!)) { at = text.length - length; break }
  }
  // Never between the halves of a character.
  if (/[\udc00-\udfff]/.test(text[at]!)) at--
  return [text.slice(0, at), text.slice(at)]
}
