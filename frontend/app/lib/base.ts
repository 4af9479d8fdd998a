/**
 * The path below which the dashboard is served: "" or "/kanchi". The gateway writes it into the page, so one build
 * works behind any proxy.
 */
export function basePath(): string {
  const base = typeof document === 'undefined' ? '/' : document.documentElement.dataset.base ?? '/'
  return base.replace(/\/+$/, '')
}
