// What the page itself asks for. It stands here and not in app.head of nuxt.config.ts, for that is also part of the
// code that runs in the browser, which would ask for the same at the root, whatever the prefix of a proxy is.
const HEAD = [
  // Before the first paint, so that a dark page never flashes white.
  '<script src="/theme.js"></script>',
  '<link rel="icon" type="image/svg+xml" href="/favicon.svg">',
  ...['sans', 'mono'].map(name => `<link rel="preload" as="font" type="font/woff2" href="/fonts/plex-${name}.woff2" crossorigin>`),
].join('')

export default defineNitroPlugin((nitro) => {
  nitro.hooks.hook('render:html', (html) => {
    html.head.unshift(HEAD)
  })
})
