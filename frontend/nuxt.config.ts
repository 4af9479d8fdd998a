import tailwindcss from '@tailwindcss/vite'

// Where `npm run dev` finds the REST and WebSocket interface: a gateway, or dev/mock-server.mjs.
const gateway = process.env.KANCHI_URL ?? 'http://127.0.0.1:8090'

export default defineNuxtConfig({
  buildId: 'static',
  modules: ['@pinia/nuxt', '@nuxt/eslint'],
  ssr: false,
  components: [{ path: '~/components', pathPrefix: false, ignore: ['ui/**'] }],
  imports: { dirs: ['stores', 'composables/**', 'texts/index.ts'] },
  devtools: { enabled: false },
  app: {
    head: {
      // data-base: the gateway puts the prefix of a proxy before the "/", as it does in each href and src.
      htmlAttrs: { 'lang': 'en', 'data-base': '/' },
      title: 'Kanchi',
      meta: [
        { name: 'viewport', content: 'width=device-width, initial-scale=1, viewport-fit=cover' },
        { name: 'color-scheme', content: 'light dark' },
        { name: 'theme-color', content: '#f6f5f1', media: '(prefers-color-scheme: light)' },
        { name: 'theme-color', content: '#121415', media: '(prefers-color-scheme: dark)' },
        { name: 'description', content: 'Monitoring for Celery tasks, workers and queues.' },
        { name: 'referrer', content: 'same-origin' },
      ],
    },
  },
  css: ['~/assets/css/main.css'],
  // The frame of the page, before its code has come.
  spaLoadingTemplate: 'spa-loading-template.html',
  experimental: {
    entryImportMap: false,
    appManifest: false,
    payloadExtraction: false,
    // Other pages are fetched when somebody is about to open them, not with the first one.
    defaults: { nuxtLink: { prefetchOn: { interaction: true, visibility: false } } },
  },
  compatibilityDate: '2026-11-01',
  vite: {
    plugins: [tailwindcss() as never],
    server: { proxy: { '/api': { target: gateway, ws: true } } },
  },
  typescript: { strict: true },
  telemetry: false,
  hooks: {
    // One page for every address: the gateway answers 200.html for what is no file.
    'prerender:routes': ({ routes }) => {
      for (const route of routes) if (route !== '/' && !route.endsWith('.html')) routes.delete(route)
    },
  },
  eslint: { config: { stylistic: { semi: false, quotes: 'single', commaDangle: 'always-multiline', braceStyle: '1tbs' } } },
})
