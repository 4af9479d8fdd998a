import { computed, shallowReactive, shallowRef } from 'vue'
import { en, type Texts } from './en'

export type { Texts } from './en'

/** English is in the first load; each other language is a file that is fetched when it is chosen. */
const OTHERS = {
  de: async () => (await import('./de')).de,
}

export type Language = 'en' | keyof typeof OTHERS
export const LANGUAGES: readonly Language[] = ['en', ...Object.keys(OTHERS) as (keyof typeof OTHERS)[]]

/** Each in itself, so that whoever does not understand the page finds theirs. */
export const LANGUAGE_NAMES: Record<Language, string> = { en: 'English', de: 'Deutsch' }

/** The language that the viewer chose, or the first of the browser's that there is. */
export function languageOf(choice: Language | 'browser', browser: readonly string[]): Language {
  if (choice !== 'browser') return choice
  const known = browser.map(one => one.split('-')[0]!.toLowerCase())
  return (known.find(one => (LANGUAGES as readonly string[]).includes(one)) ?? 'en') as Language
}

/** The texts in the language of the page. Read them when they are shown, never at the top level of a module. */
export const t: Texts = shallowReactive({ ...en })
export const language = shallowRef<Language>('en')

/** For dates and numbers: the viewer's own region where their browser names one of this language. */
export const locale = computed(() => navigator.languages.find(own => own.split('-')[0] === language.value && own.includes('-')) ?? { en: 'en-GB', de: 'de-DE' }[language.value])

/** Shows all texts in another language, without a reload. */
export async function setLanguage(next: Language): Promise<void> {
  Object.assign(t, next === 'en' ? en : await OTHERS[next]())
  language.value = next
  document.documentElement.lang = next
}
