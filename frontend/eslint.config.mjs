import withNuxt from './.nuxt/eslint.config.mjs'

// Texts are in app/texts, so that they are reviewed in one place and translated by one file.
const TEXT_ATTRIBUTES = ['title', 'label', 'text', 'note', 'what', 'absent', 'caption', 'hint', 'placeholder', 'aria-label', 'aria-placeholder', 'aria-roledescription', 'aria-valuetext', 'alt']

export default withNuxt({
  rules: {
    'vue/multi-word-component-names': 'off',
    'vue/max-attributes-per-line': ['warn', { singleline: 4 }],
    'vue/require-default-prop': 'off',
    'vue/no-v-html': 'error',
    '@stylistic/max-statements-per-line': 'off',
  },
}, {
  files: ['app/**/*.vue'],
  rules: {
    'vue/no-bare-strings-in-template': ['error', {
      allowlist: ['Kanchi', 'UTC', 'Python', 'JSON', '?', '–', '—', '·', '…', ':', ',', '.', ';', '(', ')', '/', '%', '→', '×', '+', '-', '“', '”', '=', '|', '&', '~'],
      attributes: { '/.+/': TEXT_ATTRIBUTES },
      directives: ['v-text'],
    }],
  },
})
