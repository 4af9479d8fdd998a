// After `nuxt generate`: makes the pages read their base path from <html data-base>, puts a .br and a .gz beside each
// file that gets smaller, and writes .output/csp.json with the hashes of the inline scripts, which the gateway names in
// its Content-Security-Policy.
import { createHash } from 'node:crypto'
import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { extname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'

const output = fileURLToPath(new URL('../.output/', import.meta.url))
const site = join(output, 'public')
const TEXT = new Set(['.html', '.js', '.css', '.svg', '.json', '.txt', '.map'])
const SMALLEST = 512

function filesBelow(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name))
}

/** Hashes of the scripts that stand in the page itself and are run: those with data only are not. */
export function inlineScriptHashes(html) {
  const hashes = []
  for (const [, attributes, body] of html.matchAll(/<script\b([^>]*)>([\s\S]*?)<\/script>/gi)) {
    if (/\bsrc\s*=/.test(attributes) || /\btype\s*=\s*["']?application\/json/.test(attributes) || body === '') continue
    hashes.push(`sha256-${createHash('sha256').update(body).digest('base64')}`)
  }
  return hashes
}

function compress(path) {
  const plain = readFileSync(path)
  if (!TEXT.has(extname(path)) || plain.length < SMALLEST) return null
  const br = brotliCompressSync(plain, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: plain.length } })
  const gz = gzipSync(plain, { level: 9 })
  if (br.length < plain.length) writeFileSync(`${path}.br`, br)
  if (gz.length < plain.length) writeFileSync(`${path}.gz`, gz)
  return { plain: plain.length, gz: gz.length, br: br.length }
}

/** The inline script with Nuxt's settings stays the same for every prefix, and so does its hash. */
function readBaseFromPage(path) {
  const html = readFileSync(path, 'utf8')
  const fixed = 'baseURL:"/"'
  if (!html.includes(fixed)) throw new Error(`${path} has no ${fixed}: Nuxt writes its settings in another way now`)
  writeFileSync(path, html.replace(fixed, 'baseURL:document.documentElement.dataset.base'))
}

for (const path of filesBelow(site)) if (/\.(br|gz)$/.test(path)) rmSync(path)
for (const path of filesBelow(site)) if (path.endsWith('.html')) readBaseFromPage(path)

const hashes = new Set()
const files = []
for (const path of filesBelow(site)) {
  if (path.endsWith('.html')) for (const hash of inlineScriptHashes(readFileSync(path, 'utf8'))) hashes.add(hash)
  const sizes = compress(path)
  if (sizes) files.push({ path: relative(site, path), ...sizes })
}
writeFileSync(join(output, 'csp.json'), `${JSON.stringify({ script_hashes: [...hashes].sort() }, null, 2)}\n`)

const total = key => files.reduce((sum, file) => sum + file[key], 0)
console.log(`compressed ${files.length} files: ${total('plain')} bytes, gzip ${total('gz')}, brotli ${total('br')}`)
