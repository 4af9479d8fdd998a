import type { PartialTexts } from '.'

/** German. */
export const de: PartialTexts = {
  language: 'Deutsch',
  common: {
    unknown: 'unbekannt',
    cancel: 'Abbrechen',
    close: 'Schließen',
    copy: 'Kopieren',
    copied: 'Kopiert',
  },
}
