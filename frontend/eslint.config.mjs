import withNuxt from './.nuxt/eslint.config.mjs'

export default withNuxt({
  rules: {
    'vue/multi-word-component-names': 'off',
    'vue/max-attributes-per-line': ['warn', { singleline: 4 }],
    'vue/require-default-prop': 'off',
    'vue/no-v-html': 'error',
    '@stylistic/max-statements-per-line': 'off',
  },
})
