/** A Python traceback, taken apart for reading. */

export interface Frame {
  kind: 'frame'
  file: string
  line: string
  name: string
  /** The source below it, as it stands there. */
  code: string[]
  /** In an installed package rather than in the viewer's own code. */
  library: boolean
}
export interface Note { kind: 'note' | 'error', text: string }
export type TracePart = Frame | Note

/** Frames of libraries that follow each other are folded into one. */
export interface Folded { kind: 'folded', frames: Frame[] }

const MOST_LINES = 2000

export function partsOfTrace(text: string): TracePart[] {
  const parts: TracePart[] = []
  for (const line of text.replace(/\s+$/, '').split('\n').slice(0, MOST_LINES)) {
    const head = /^\s*File "(.*)", line (\d+)(?:, in (.*))?$/.exec(line)
    const last = parts.at(-1)
    if (head) {
      const [, file = '', number = '', name = ''] = head
      parts.push({ kind: 'frame', file, line: number, name, code: [], library: isLibrary(file) })
    } else if (/^\s/.test(line) && last?.kind === 'frame') {
      last.code.push(line.replace(/^ {4}/, ''))
    } else {
      parts.push({ kind: /^(Traceback |During handling|The above exception)/.test(line) || line === '' ? 'note' : 'error', text: line })
    }
  }
  return parts
}

/** Two and more frames of libraries in a row say little: they can be opened. The last frame, where it broke, stays. */
export function foldLibraries(parts: readonly TracePart[]): (TracePart | Folded)[] {
  const folded: (TracePart | Folded)[] = []
  let run: Frame[] = []
  const flush = () => {
    if (run.length > 1) folded.push({ kind: 'folded', frames: run })
    else folded.push(...run)
    run = []
  }
  parts.forEach((part, i) => {
    const breaks = part.kind === 'frame' && parts[i + 1]?.kind !== 'frame'
    if (part.kind === 'frame' && part.library && !breaks) { run.push(part); return }
    flush()
    folded.push(part)
  })
  flush()
  return folded
}

function isLibrary(file: string): boolean {
  return /site-packages|dist-packages|[\\/]lib[\\/]python\d|^<frozen/.test(file)
}

/** "/a/b/app.py" as "/a/b/" and "app.py". */
export function splitFile(file: string): [folder: string, name: string] {
  const at = Math.max(file.lastIndexOf('/'), file.lastIndexOf('\\')) + 1
  return [file.slice(0, at), file.slice(at)]
}
