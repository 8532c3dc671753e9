import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const DIST = fileURLToPath(new URL('../../../dist/harness/runtime/', import.meta.url))

// In a process whose flags are V8's own, as the command's are.
test('V8 takes the code of the machine’s thread that was compiled when it was built', () => {
  const asks = `
    const { readFileSync } = require('node:fs')
    const { Script } = require('node:vm')
    const file = ${JSON.stringify(`${DIST}worker.bundle.cjs`)}
    const source = '(function (require, __filename, __dirname) {' + readFileSync(file, 'latin1') + '\\n})'
    const { cachedDataRejected } = new Script(source, { filename: file, cachedData: readFileSync(file + '.v8') })
    process.stdout.write(String(cachedDataRejected))`
  expect(execFileSync(process.execPath, ['-e', asks], { encoding: 'utf8' })).toBe('false')
})
