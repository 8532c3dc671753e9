import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { MessageChannel, Worker } from 'node:worker_threads'
import { describe, expect, test } from 'vitest'
import type { Progress } from '../../../harness/protocol/messages.js'
import type { Step } from '../../../harness/protocol/script.js'
import { VmThread, type VmThreadOptions } from '../../../harness/thread/machine-thread.js'
import { compiledFakeMachine } from '../compiled.js'

const machineModule = compiledFakeMachine()
const folder = mkdtempSync(join(tmpdir(), 'bootwright-vm-'))
const firmware = { bios: join(folder, 'bios.bin'), vgaBios: join(folder, 'vga.bin') }
writeFileSync(firmware.bios, new Uint8Array(64 << 10))
writeFileSync(firmware.vgaBios, 'vga')

function start(scenario: string, options: VmThreadOptions = {}, config = {}): Promise<VmThread> {
  const module = `${machineModule}?scenario=${scenario}`
  return VmThread.start({ firmware, ...config }, { machineModule: module, ...options })
}

const exit: Step = { kind: 'until', condition: { kind: 'exit' } }

test('the thread begins with code that V8 compiled when it was built', async () => {
  const file = fileURLToPath(new URL('../../../dist/harness/runtime/bundled-worker.cjs', import.meta.url))
  // Its machine cannot be made, and it closes its port.
  const config = { firmware: { bios: join(folder, 'none') } }
  const begin = `
    const { script } = require(${JSON.stringify(file)})
    require('node:worker_threads').workerData.taken[0] = script.cachedDataRejected === false ? 1 : 0`
  const taken = new Uint8Array(new SharedArrayBuffer(1))
  const { port1, port2: control } = new MessageChannel()
  const worker = new Worker(begin, { eval: true, workerData: { taken }, execArgv: [] })
  worker.postMessage({ config, control }, [control])
  await once(worker, 'exit')
  port1.close()
  expect(taken[0]).toBe(1)
})

describe('a machine in a thread', () => {
  test('runs scripts one after the other, and tells what comes out of it before the result', async () => {
    const serial: string[] = []
    let debug = ''
    const vm = await start('hello', {
      onSerial: (port, bytes) => serial.push(`${port} ${Buffer.from(bytes)}`),
      onDebug: (bytes) => {
        debug += Buffer.from(bytes)
      },
    })
    expect([vm.engine, vm.engineReason]).toEqual(['soft', 'a fake'])
    const pattern = { source: 'hello', flags: '' }
    const first = await vm.run({ steps: [{ kind: 'until', condition: { kind: 'text', pattern } }] })
    expect(first).toMatchObject({ outcome: 'ok', exit: { reason: 'condition' } })
    expect([serial, debug]).toEqual([['0 hello\n'], 'debug'])
    expect(await vm.run({ steps: [exit] })).toMatchObject({ outcome: 'ok', exit: { reason: 'poweroff' } })
    expect((await vm.look()).text).toMatch(/^hello/)
    expect(await vm.frame()).toMatchObject({ width: 2, height: 1 })
    expect((await vm.look()).registers).toContain('EIP')
    await vm.close()
  })

  test('does not stop the thread that waits for it, and can be stopped', async () => {
    const seen: Progress[] = []
    const vm = await start('idle', { onProgress: (progress) => seen.push(progress) })
    const running = vm.run({ steps: [exit] })
    await new Promise((resolve) => setTimeout(resolve, 500))
    vm.stop()
    expect(await running).toMatchObject({ outcome: 'interrupted' })
    expect(seen.length).toBeGreaterThan(1)
    expect(seen[1].guestTimeNs).toBeGreaterThan(seen[0].guestTimeNs)
    await vm.close()
  })

  test('a stop that comes too late does not stop the next script', async () => {
    const vm = await start('hello')
    const wait: Step = { kind: 'wait', ns: 1e6 }
    await vm.run({ steps: [wait] })
    vm.stop()
    expect(await vm.run({ steps: [wait] })).toMatchObject({ outcome: 'ok' })
    await vm.close()
  })

  test('takes serial input while it runs', async () => {
    const vm = await start('idle')
    const pattern = { source: 'got abc', flags: '' }
    const running = vm.run({ steps: [{ kind: 'until', condition: { kind: 'serial', port: 0, pattern } }] })
    vm.input({ kind: 'serial', port: 0, bytes: new TextEncoder().encode('abc') })
    expect(await running).toMatchObject({ outcome: 'ok', hostInput: true })
    await vm.close()
  })

  test('is ended by force when it does not come back', async () => {
    const vm = await start('stuck')
    const running = vm.run({ steps: [exit] })
    await new Promise((resolve) => setTimeout(resolve, 200))
    await vm.close()
    expect(await running).toMatchObject({ outcome: 'interrupted', lost: true })
    await expect(vm.look()).rejects.toThrow("the machine's thread did not answer and was ended")
  })

  test('that does not answer at its time-out is ended by force, and what it had told is the result', async () => {
    const vm = await start('stuck')
    const started = performance.now()
    const result = await vm.run({ steps: [exit], hostTimeoutMs: 300 })
    expect(performance.now() - started).toBeLessThan(10_000)
    expect(result).toMatchObject({ outcome: 'timeout', exit: { reason: 'timeout' }, lost: true })
    expect(result.error).toContain("the time-out of 0.3 s came and the machine's thread did not answer")
    expect(result.serial).toEqual([{ port: 0, lines: ['stuck soon'] }])
    await vm.close()
  })

  test('can be closed twice, and while a script runs', async () => {
    const vm = await start('idle')
    const running = vm.run({ steps: [exit] })
    await vm.close()
    expect(await running).toMatchObject({ outcome: 'interrupted' })
    await vm.close()
  })
})

describe('errors keep their kind', () => {
  test('of media', async () => {
    const started = start('hello', {}, { disks: [{ path: join(folder, 'none.img') }] })
    await expect(started).rejects.toMatchObject({ name: 'MediaError', message: expect.stringContaining('none.img') })
  })

  test('of a kernel file', async () => {
    const started = start('hello', {}, { kernel: { path: folder } })
    await expect(started).rejects.toMatchObject({ name: 'MediaError', message: expect.stringContaining('directory') })
  })

  test('of an engine that is not to be had', async () => {
    await expect(start('no-engine')).rejects.toMatchObject({ name: 'EngineUnavailableError', kind: 'host' })
  })

  test('of a device while it runs, and the machine can still be closed', async () => {
    const vm = await start('broken')
    const result = await vm.run({ steps: [exit] })
    expect(result).toMatchObject({ outcome: 'failed', exit: { reason: 'failure' }, registers: 'EIP 0000FFF0' })
    expect(result.error).toContain('the device is broken')
    await vm.close()
  })
})

test('the image of a medium is not changed', async () => {
  const path = join(folder, 'floppy.img')
  writeFileSync(path, new Uint8Array(737280).fill(7))
  const hash = () => createHash('sha256').update(readFileSync(path)).digest('hex')
  const before = hash()
  const vm = await start('hello', {}, { floppies: [{ path }] })
  await vm.run({ steps: [exit] })
  await vm.close()
  expect(hash()).toBe(before)
})
