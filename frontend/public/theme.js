// Sets the theme before the first paint. Kept outside the bundle: the content security policy allows no inline script.
(function () {
  var stored = null
  try { stored = localStorage.getItem('kanchi.theme') } catch (e) { /* storage is forbidden: follow the system */ }
  var system = window.matchMedia('(prefers-color-scheme: dark)')
  function apply() {
    var choice = document.documentElement.dataset.theme || 'system'
    var dark = choice === 'dark' || (choice === 'system' && system.matches)
    document.documentElement.classList.toggle('dark', dark)
    window.dispatchEvent(new CustomEvent('kanchi:theme', { detail: { dark: dark } }))
  }
  document.documentElement.dataset.theme = stored === 'light' || stored === 'dark' ? stored : 'system'
  system.addEventListener('change', apply)
  // Paper is light.
  window.addEventListener('beforeprint', function () { document.documentElement.classList.remove('dark') })
  window.addEventListener('afterprint', apply)
  window.kanchiTheme = {
    get: function () { return document.documentElement.dataset.theme },
    set: function (choice) {
      document.documentElement.dataset.theme = choice
      try { localStorage.setItem('kanchi.theme', choice) } catch (e) { /* lasts until the page is closed */ }
      apply()
    },
  }
  try {
    document.documentElement.dataset.density = JSON.parse(localStorage.getItem('kanchi.preferences') || '{}').density === 'dense' ? 'dense' : 'comfortable'
  } catch (e) { document.documentElement.dataset.density = 'comfortable' }
  apply()
})()
