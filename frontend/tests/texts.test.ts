import { readFileSync } from 'node:fs'
import { afterEach, expect, it } from 'vitest'
import { LANGUAGE_NAMES, LANGUAGES, language, languageOf, setLanguage, t } from '~/texts'
import { de } from '~/texts/de'
import { en } from '~/texts/en'
import { STATUSES } from '~/lib/status'

afterEach(() => setLanguage('en'))

it('names every status', () => {
  for (const status of STATUSES) {
    expect(t.status.label[status]).toBeTruthy()
    expect(t.status.meaning[status]).toMatch(/\.$/)
  }
})

it('changes the language of what is read afterwards, and of the document', async () => {
  expect(t.common.cancel).toBe('Cancel')
  await setLanguage('de')
  expect(t.common.cancel).toBe('Abbrechen')
  expect(language.value).toBe('de')
  expect(document.documentElement.lang).toBe('de')
})

it('has a name for each language, in that language', async () => {
  const names = []
  for (const code of LANGUAGES) {
    await setLanguage(code)
    names.push(t.language)
    expect(t.language).toBe(LANGUAGE_NAMES[code])
  }
  expect(new Set(names).size).toBe(LANGUAGES.length)
})

it.each([
  ['browser', ['de-AT', 'en'], 'de'], ['browser', ['fr', 'en-US', 'de'], 'en'], ['browser', ['fr'], 'en'], ['browser', [], 'en'], ['de', ['en'], 'de'], ['en', ['de'], 'en'],
] as const)('chosen %s, browser %j: %s', (choice, browser, expected) => {
  expect(languageOf(choice, browser)).toBe(expected)
})

it('calls each status what the command line and the API\'s description call it', () => {
  const read = (file: string) => readFileSync(`../${file}`, 'utf8')
  const names = Object.fromEntries([...read('proto/enums.h').split('KN_TASK_STATUS_MAP(X)')[1]!.split('\n\n')[0]!.matchAll(/X\(\d+, (\w+), "(\w+)"\)/g)].map(([, name, text]) => [name, text]))
  const labels = Object.fromEntries([...read('proto/enums.h').split('KN_TASK_STATUS_LABEL_MAP(X)')[1]!.split('\n\n')[0]!.matchAll(/X\((\w+), "(\w+)"\)/g)].map(([, name, label]) => [names[name!], label]))
  const { description } = (JSON.parse(read('gateway/openapi.json')) as { components: { schemas: { TaskStatus: { description: string } } } }).components.schemas.TaskStatus
  expect(labels).toEqual(en.status.label)
  expect(Object.fromEntries([...description.matchAll(/(\w+) \(`(\w+)`\)/g)].map(([, label, status]) => [status, label]))).toEqual(en.status.label)
})

/** All texts by their key. A function is compared by its source: without what the compiler puts before an imported name. */
function textsOf(texts: object, before = ''): [key: string, text: string][] {
  return Object.entries(texts).flatMap(([key, text]) => typeof text === 'object' ? textsOf(text as object, `${before}${key}.`) : [[before + key, String(text).replace(/\(0,\s*\w+\.(\w+)\)/g, '$1')]])
}

/** Names, units, and words that are German too. */
const SAME = new Set([
  'Audit', 'Celery', 'Client', 'CPU', 'Details', 'Esc', 'ETA', 'Events', 'Exception', 'Exchange', 'Broker', 'Heartbeat', 'Host', 'ID', 'Live', 'Markdown', 'offline', 'Offline', 'Online', 'PID', 'Pool', 'Port', 'Prefetch', 'Queue', 'Queues',
  'Signal', 'Status', 'System', 'Task', 'Tasks', 'Text', 'TLS', 'Traceback', 'Transport', 'UTC', 'Version', 'Worker', 'Worker offline', 'Workflow', '45m, 2h, 3d',
])

it('is German where it is not a name', () => {
  const german = new Map(textsOf(de))
  const words = (text: string) => text.replace(/\$\{[^}]*\}|^\([^)]*\) =>|\b(?:Kanchi|ETA|PID|online|in|min|[shd])\b/g, '').match(/[a-z]/i)
  expect(textsOf(en).filter(([key, text]) => german.get(key) === text && !SAME.has(text) && words(text))).toEqual([])
  expect([...german.keys()].sort()).toEqual(textsOf(en).map(([key]) => key).sort())
})

it('keeps what a number or a name is put into in every language', () => {
  const functions = (texts: object): Record<string, (...args: unknown[]) => string> => Object.fromEntries(Object.entries(texts).flatMap(([key, text]) =>
    typeof text === 'function' ? [[key, text as () => string]] : typeof text === 'object' ? Object.entries(functions(text as object)).map(([inner, value]) => [`${key}.${inner}`, value]) : []))
  const english = functions(en)
  for (const [key, text] of Object.entries(functions(de))) {
    if (!english[key]) throw new Error(`${key} is no text`)
    expect(text.length, key).toBe(english[key].length)
    // Both show the first argument, or neither does: 77 stands out in any text.
    for (const first of [77, '77']) {
      const shown = [english[key], text].map((one) => { try { return one(first, first, 3).includes('77') } catch { return null } })
      if (!shown.includes(null)) expect(shown[1], key).toBe(shown[0])
    }
  }
})
