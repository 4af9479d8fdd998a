/** Lines of a Python traceback, told apart for reading. */
export interface TraceLine {
  kind: 'frame' | 'code' | 'error' | 'note'
  text: string
  /** Whether the frame is in an installed package rather than in the viewer's own code. */
  library: boolean
}

export function traceLines(text: string, most = 2000): TraceLine[] {
  let library = false
  return text.replace(/\s+$/, '').split('\n').slice(0, most).map((line) => {
    if (/^\s*File "/.test(line)) {
      library = /site-packages|dist-packages|[\\/]lib[\\/]python\d/.test(line)
      return { kind: 'frame', text: line, library }
    }
    if (/^\s/.test(line)) return { kind: 'code', text: line, library }
    library = false
    if (/^(Traceback |During handling|The above exception)/.test(line) || line === '') return { kind: 'note', text: line, library }
    return { kind: 'error', text: line, library }
  })
}
