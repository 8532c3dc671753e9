/** Snapshots and forks of machines in threads, on SeaBIOS and a boot sector that sends every key it gets to COM1. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Step } from '../../../harness/protocol/script.js'
import { VmThread } from '../../../harness/thread/machine-thread.js'
import { openLayers, partsOf, type Snapshot } from '../../../harness/thread/snapshot.js'
import { writeSnapshot } from '../../../harness/thread/snapshot-files.js'
import { programFloppy } from '../boot-programs.js'

const folder = mkdtempSync(join(tmpdir(), 'bootwright-snapshot-'))
const floppy = join(folder, 'echo.img')
writeFileSync(floppy, programFloppy('echo'))
const file = join(folder, 'at-prompt.snapshot')
const config = { engine: 'soft' as const, memory: 512 << 20, floppies: [{ path: floppy }] }

const serial = (source: string): Step => ({
  kind: 'until',
  condition: { kind: 'serial', port: 0, pattern: { source, flags: '' } },
})
const type = (letter: string): Step[] => [
  { kind: 'tap', codes: [`Key${letter.toUpperCase()}`] },
  serial(letter),
  { kind: 'wait', ns: 50e6 },
]
const hostTimeoutMs = 120_000

/** What it sent in all, and where it is then. */
async function typed(
  vm: VmThread,
  letters: string,
): Promise<{ line: string; instructions: number; guestTimeNs: number }> {
  const steps = [...letters].flatMap(type)
  const { outcome, error, serial, instructions, guestTimeNs } = await vm.run({ steps, hostTimeoutMs })
  expect(error).toBeUndefined()
  expect(outcome).toBe('ok')
  return { line: serial[0].lines.at(-1) ?? '', instructions, guestTimeNs }
}

describe('a snapshot of a machine in a thread', () => {
  let vm: VmThread
  let prompt: Snapshot
  let reference: Awaited<ReturnType<typeof typed>>

  beforeAll(async () => {
    vm = await VmThread.start(config)
    const result = await vm.run({ steps: [serial('>')], hostTimeoutMs })
    expect(result.error).toBeUndefined()
    prompt = await vm.snapshot()
    reference = await typed(vm, 'ab')
  }, 180_000)

  afterAll(async () => {
    await vm.close()
    rmSync(folder, { recursive: true })
  })

  test('says where it was made', () => {
    expect(prompt.instructions).toBeGreaterThan(1e6)
    expect(prompt.guestTimeNs).toBeGreaterThan(prompt.instructions)
    expect(prompt.bytes).toBeGreaterThan(100_000)
    expect(prompt.bytes).toBeLessThan(64 << 20)
    expect(reference.line).toBe('>ab')
  })

  test('is gone back to, serial log and all, and the same keys lead to the same instruction', async () => {
    await vm.restore(prompt)
    expect((await vm.look()).serial[0].lines).toEqual(['>'])
    expect(await vm.look()).toMatchObject({ instructions: prompt.instructions, guestTimeNs: prompt.guestTimeNs })
    expect(await typed(vm, 'ab')).toEqual(reference)
  })

  test('is forked: each goes its own way, and the first does not notice', async () => {
    const [one, other] = await Promise.all([vm.forkFrom(prompt), vm.forkFrom(prompt)])
    const [same, different] = [await typed(one, 'ab'), await typed(other, 'xyz')]
    expect(same).toEqual(reference)
    expect(different.line).toBe('>xyz')
    expect((await vm.look()).serial[0].lines).toEqual(['>ab'])
    await Promise.all([one.close(), other.close()])
  })

  test('a fork of a fork has what both did', async () => {
    const one = await vm.forkFrom(prompt)
    expect((await typed(one, 'c')).line).toBe('>c')
    const two = await one.fork()
    await one.close()
    expect((await typed(two, 'd')).line).toBe('>cd')
    await two.close()
  })

  test('a fork with 512 MiB is there at once', async () => {
    const times: number[] = []
    for (let i = 0; i < 5; i++) {
      await vm.prepareForks()
      const began = performance.now()
      const fork = await vm.forkFrom(prompt)
      times.push(performance.now() - began)
      await fork.close()
    }
    console.info(`forks of 512 MiB: ${times.map((ms) => ms.toFixed(1)).join(', ')} ms`)
    // Some 10 ms where the host has nothing else to do.
    expect(Math.min(...times)).toBeLessThan(200)
  })

  test('goes through a file', async () => {
    await writeSnapshot(partsOf(prompt), file)
    const { thread: opened } = await VmThread.open(file)
    expect((await opened.look()).serial[0].lines).toEqual(['>'])
    expect(await typed(opened, 'ab')).toEqual(reference)
    await opened.close()
  })

  test('a file is refused where a medium is another one now', async () => {
    await writeSnapshot(partsOf(prompt), file)
    const image = readFileSync(floppy)
    try {
      writeFileSync(floppy, programFloppy('idle'))
      await expect(VmThread.open(file)).rejects.toMatchObject({
        name: 'SnapshotError',
        message: expect.stringMatching(/echo\.img" is not the floppy A .*contents differ/),
      })
      // Of what it names, nothing counts when the file itself is damaged.
      const bytes = readFileSync(file)
      bytes[bytes.length - 1] ^= 1
      writeFileSync(file, bytes)
      await expect(VmThread.open(file)).rejects.toThrow('its checksum is wrong')
    } finally {
      writeFileSync(floppy, image)
    }
  })

  test('a machine with a medium that is written in place has no snapshots', async () => {
    const path = join(folder, 'written.img')
    writeFileSync(path, programFloppy('echo'))
    const writing = await VmThread.start({ ...config, memory: 16 << 20, floppies: [{ path, write: true }] })
    await expect(writing.snapshot()).rejects.toMatchObject({
      name: 'SnapshotError',
      message: expect.stringContaining('floppy0 is written in place'),
    })
    await writing.close()
  })

  test('outlives its machine; nothing is left open once all is released', async () => {
    const again = await vm.snapshot()
    await vm.close()
    const fork = await vm.forkFrom(prompt)
    expect(await typed(fork, 'ab')).toEqual(reference)
    await fork.close()
    prompt.release()
    prompt.release()
    again.release()
    await expect(vm.forkFrom(prompt)).rejects.toThrow(/was released/)
    await expect.poll(openLayers, { timeout: 10_000 }).toBe(0)
  })
})
