import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Worker } from 'node:worker_threads'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { VmThread } from '../../../harness/thread/machine-thread.js'
import { endWaiting } from '../../../harness/thread/worker-thread.js'
import { noFirmware } from '../../firmware-here.js'
import { programFloppy } from '../boot-programs.js'

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

test.skipIf(process.platform !== 'linux')(
  'a process that ends while a thread loads native code has the exit code that it chose',
  () => {
    for (let i = 0; i < 3; i++) {
      const { status, signal, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', ENDS_MEANWHILE])
      expect({ status, signal, stderr: String(stderr) }).toEqual({ status: 7, signal: null, stderr: '' })
    }
  },
)

describe.skipIf(noFirmware)('a thread whose machine was closed', () => {
  const folder = mkdtempSync(join(tmpdir(), 'threads-'))
  const path = join(folder, 'echo.img')
  writeFileSync(path, programFloppy('echo'))
  const start = () => VmThread.start({ engine: 'soft', memory: 16 << 20, floppies: [{ path }] })
  const boot = async (vm: VmThread) => {
    const until = { kind: 'serial' as const, port: 0, pattern: { source: '>', flags: '' } }
    const { instructions, guestTimeNs, text } = await vm.run({ steps: [{ kind: 'until', condition: until }] })
    return { instructions, guestTimeNs, text }
  }
  const threadOf = (vm: VmThread) => (vm as unknown as { worker: Worker }).worker.threadId
  afterAll(() => rmSync(folder, { recursive: true }))

  test('makes the next one, which is as in a new thread, whatever is asked of the one before', async () => {
    endWaiting()
    const first = await start()
    const thread = threadOf(first)
    const reference = await boot(first)
    await Promise.all([first.close(), first.close()])
    const second = await start()
    expect(threadOf(second)).toBe(thread)
    await first.close()
    await first.terminate()
    await expect(first.look()).rejects.toThrow(/has ended/)
    expect(await boot(second)).toEqual(reference)
    await second.terminate()
    const third = await start()
    expect(threadOf(third)).not.toBe(thread)
    expect(await boot(third)).toEqual(reference)
    await third.close()
  })

  test('is not taken where the environment has changed', async () => {
    const first = await start()
    const thread = threadOf(first)
    await first.close()
    vi.stubEnv('BOOTWRIGHT_IMAGES', folder)
    const second = await start()
    vi.unstubAllEnvs()
    expect(threadOf(second)).not.toBe(thread)
    await second.close()
  })
})
