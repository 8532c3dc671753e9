/** A process that ends in whatever moment of its machine's thread has the exit code that it chose. */
import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'

const THREAD = new URL('../../../dist/harness/thread/worker-thread.js', import.meta.url).href

/** It ends when the thread has mapped koffi, which then makes its objects: the moment at which koffi aborts a process. */
const ENDS_MEANWHILE = `
  import { readFileSync } from 'node:fs'
  import { takeThread } from ${JSON.stringify(THREAD)}
  takeThread(false)
  const asleep = new Int32Array(new SharedArrayBuffer(4))
  const limit = performance.now() + 20_000
  while (!readFileSync('/proc/self/maps', 'latin1').includes('koffi.node')) {
    if (performance.now() > limit) process.exit(1)
    Atomics.wait(asleep, 0, 0, 0.2)
  }
  process.exit(7)`

test.skipIf(process.platform !== 'linux')('ends while a thread loads native code', () => {
  for (let i = 0; i < 3; i++) {
    const { status, signal, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', ENDS_MEANWHILE])
    expect({ status, signal, stderr: String(stderr) }).toEqual({ status: 7, signal: null, stderr: '' })
  }
})
