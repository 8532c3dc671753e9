import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { SourceMap } from 'node:module'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const DIST = fileURLToPath(new URL('../../../dist/harness/runtime/', import.meta.url))

// In a process whose flags are V8's own, as the command's are.
test('V8 takes the code of the machine’s thread that was compiled when it was built', () => {
  const asks = `
    const { readFileSync } = require('node:fs')
    const { Script } = require('node:vm')
    const file = ${JSON.stringify(`${DIST}worker.bundle.cjs`)}
    const { cachedDataRejected } = new Script(readFileSync(file, 'latin1'), { filename: file, cachedData: readFileSync(file + '.v8') })
    process.stdout.write(String(cachedDataRejected))`
  expect(execFileSync(process.execPath, ['-e', asks], { encoding: 'utf8' })).toBe('false')
})

// It is packed, and frames of ours are known by their names.
test('no compiled code names the folder in which it was built', () => {
  for (const file of ['worker.bundle.cjs.v8', '../../bundle/together.cjs.v8'])
    expect(readFileSync(`${DIST}${file}`).includes(fileURLToPath(new URL('../../../', import.meta.url)))).toBe(false)
})

test('the maps of the command’s parts lead to the lines of the sources', () => {
  const at = (path: string) => fileURLToPath(new URL(path, `file://${DIST}../../bundle/`))
  const words = 'was not awaited, so nothing'
  const row = (text: string) => text.slice(0, text.indexOf(words)).split('\n').length - 1
  const code = readFileSync(at('vitest.cjs'), 'utf8')
  const column = code.split('\n')[row(code)].indexOf(words)
  const place = new SourceMap(JSON.parse(readFileSync(at('vitest.cjs.map'), 'utf8'))).findEntry(row(code), column)
  const source = readFileSync(fileURLToPath(new URL('../../../harness/vitest/forgotten.ts', import.meta.url)), 'utf8')
  expect(place).toMatchObject({ originalSource: '../../harness/vitest/forgotten.ts', originalLine: row(source) })
})
