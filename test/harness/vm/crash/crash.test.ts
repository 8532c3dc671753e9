/** Kernels that go wrong: each failure names the function, the line, and how the CPU came there, and comes early. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import type { VmFailure } from '../../../../harness/vm/errors.js'
import { launch } from '../../../../harness/vm/launch.js'
import type { Vm } from '../../../../harness/vm/vm.js'
import { compiledKernel, haveCompiler } from '../../../compiled-kernel.js'
import { noFirmware } from '../../../firmware-here.js'

const SOURCE = join(import.meta.dirname, 'kernel.c')
const MODES = [
  'WILD_POINTER',
  'LOCK_TWICE',
  'PANIC',
  'STACK_OVERRUN',
  'LOCK_IN_INTERRUPT',
  'NO_END_OF_INTERRUPT',
  'ALL_MASKED',
  'FAULT_FOR_EVER',
  'NO_GUARD',
  'POLLS_TICKS',
] as const
type Mode = (typeof MODES)[number]
const haveGdb = spawnSync('gdb', ['--version']).status === 0
let vm: Vm | undefined
afterEach(() => vm?.close())

const NO_TABLES = ['-g0', '-fno-asynchronous-unwind-tables']

async function failure(
  mode: Mode,
  optimization: '-O0' | '-O2',
  act = (vm: Vm) => vm.serial.waitFor('never'),
  flags: readonly string[] = [],
) {
  const kernel = compiledKernel(
    `${mode}${optimization}${flags.join('')}`,
    SOURCE,
    `-DMODE=${mode}`,
    optimization,
    ...flags,
  )
  vm = await launch({ kernel, engine: 'soft', timeout: '20s' })
  const failed = (await act(vm).then(
    () => new Error('it went well'),
    (error: unknown) => error,
  )) as VmFailure
  const [trace] = failed.result.backtraces
  return { failed, calls: trace.frames.map(({ symbol }) => symbol), by: trace.frames.map(({ by }) => by) }
}

describe.skipIf(!haveCompiler || noFirmware)('a failure says where the guest was', () => {
  test('a triple fault, with the exceptions that led to it', async () => {
    const { failed, calls } = await failure('WILD_POINTER', '-O0')
    expect(calls).toEqual(['fill', 'kmain', '_start'])
    expect(failed.sentence).toMatch(
      /^the CPU shut down in a triple fault before .* came; in fill\+0x\w+ \(kernel\.c:\d+\)$/,
    )
    expect(failed.message).toMatch(/#PF at 8:\w+ in fill\+0x\w+ \(kernel\.c:\d+\), .* CR2 0xdeadbeec/)
    expect(failed.message).toMatch(
      /backtrace:\n {2}#0 0x\w{8} fill\+.*\n {2}#1 0x\w{8} kmain\+0x\w+ \(kernel\.c:\d+\)\n {2}#2/,
    )
  })

  test('a lock that is taken twice is a hang, long before the time-out, at the same instruction in every run', async () => {
    const { failed, calls } = await failure('LOCK_TWICE', '-O0')
    expect(failed.result.exit.reason).toBe('hang')
    expect(calls).toEqual(['spin_lock', 'take_twice', 'kmain', '_start'])
    expect(failed.sentence).toMatch(/^the guest hangs: .* before .* came; in spin_lock(\+0x\w+)? \(kernel\.c:\d+\)$/)
    expect(failed.result.guestTimeNs).toBeLessThan(4e9)
    const { instructions } = failed.result
    await vm?.close()
    expect((await failure('LOCK_TWICE', '-O0')).failed.result.instructions).toBe(instructions)
  })

  test('an interrupt that cannot come is a hang, and why it cannot', async () => {
    const { failed } = await failure('NO_END_OF_INTERRUPT', '-O0')
    expect(failed.result.exit.reason).toBe('hang')
    expect(failed.sentence).toMatch(
      /its CPU waits in HLT for an interrupt that cannot come: IRQ 0 is in service .* \(EOI\), and holds the others back, .*in idle/,
    )
    expect(failed.result.guestTimeNs).toBeLessThan(4e9)
    await vm?.close()
    const masked = await failure('ALL_MASKED', '-O0')
    expect(masked.failed.sentence).toMatch(
      /goes round a loop for an interrupt that cannot come: the 8259s mask all of theirs, .* in busy/,
    )
  })

  test('a stack that grows through all memory, which no page guards, is a hang', async () => {
    const { failed } = await failure('NO_GUARD', '-O0')
    expect(failed.sentence).toMatch(
      /^the guest hangs: the stack of its CPU has overrun: there is no memory at ESP=\w+, before .*; in descend(\+0x\w+)? \(kernel\.c:\d+\)$/,
    )
    expect(failed.result.guestTimeNs).toBeLessThan(1e9)
  })

  test('a fault to which its handler goes back is a hang', async () => {
    const { failed, calls } = await failure('FAULT_FOR_EVER', '-O0')
    expect(failed.sentence).toMatch(
      /hangs: its CPU takes the same exception over and over: exception 14, CR2 0xdeadbeec, at 8:0x\w+, to which/,
    )
    expect(calls).toContain('fill')
  })

  test('a loop that lets interrupts in now and then is none', async () => {
    const kernel = compiledKernel('POLLS_TICKS-O0', SOURCE, '-DMODE=POLLS_TICKS', '-O0')
    vm = await launch({ kernel, engine: 'soft', timeout: '20s' })
    await vm.serial.waitFor('time is up')
  })

  test('and without frame pointers', async () => {
    const { calls, by } = await failure('LOCK_TWICE', '-O2')
    expect(calls.slice(0, 2)).toEqual(['spin_lock', 'take_twice'])
    expect(by.slice(0, 2)).toEqual(['registers', 'unwind table'])
  })

  test('and without unwind tables', async () => {
    const { calls, by } = await failure('LOCK_TWICE', '-O2', undefined, NO_TABLES)
    expect(calls.slice(0, 2)).toEqual(['spin_lock', 'take_twice'])
    expect(by.slice(0, 2)).toEqual(['registers', 'call'])
  })

  test('a panic that powers off', async () => {
    const { failed, calls } = await failure('PANIC', '-O2')
    expect(failed.sentence).toMatch(/^the guest panicked: "PANIC: the heap is corrupt"; then the guest powered off/)
    expect(calls).toEqual(['panic', 'check_heap', 'kmain', '_start'])
  })

  test('a stack that runs into the page below it', async () => {
    const { failed, calls } = await failure('STACK_OVERRUN', '-O0')
    expect(failed.result.exit.reason).toBe('triple-fault')
    expect(calls[0]).toBe('descend')
    expect(calls.at(-1)).toBe('_start')
    expect(failed.message).toMatch(/#1 0x\w{8} descend\+0x\w+ \(kernel\.c:\d+\), \d+ times\n/)
  })

  test('an interrupt, and what it interrupted', async () => {
    const { calls, by } = await failure('LOCK_IN_INTERRUPT', '-O0')
    expect(calls).toEqual(['spin_lock', 'take_twice', 'on_timer', 'timer_entry', 'busy', 'kmain', '_start'])
    expect(by[4]).toBe('interrupt')
  })

  test('a time-out, and failOn: false lets a hang be', async () => {
    const kernel = compiledKernel('LOCK_TWICE-O0', SOURCE, '-DMODE=LOCK_TWICE', '-O0')
    vm = await launch({ kernel, engine: 'soft', failOn: false })
    await expect(vm.serial.waitFor('never', { timeout: '5s' })).rejects.toThrow(
      /^waited 5 s of guest time .*; in spin_lock/,
    )
    // A picture that stays as it is comes by itself.
    await vm.screen.waitForStill('2s')
  })
})

describe.skipIf(!haveCompiler || noFirmware)('a test looks into a guest', () => {
  const started = async (mode: Mode) => {
    vm = await launch({ kernel: compiledKernel(`${mode}-O0`, SOURCE, `-DMODE=${mode}`, '-O0'), engine: 'soft' })
    return vm
  }

  test('it stops at a function, reads and writes memory by name, and goes on', async () => {
    const vm = await started('PANIC')
    await vm.breakAt('panic')
    const registers = await vm.cpu(0).registers()
    expect(registers.rip).toBe(await vm.memory.address('panic'))
    expect(registers.cs).toMatchObject({ base: 0n, limit: 0xffffffff })
    expect((await vm.backtrace()).map(({ symbol }) => symbol)).toEqual(['panic', 'check_heap', 'kmain', '_start'])
    // The argument stands behind the return address.
    const stack = await vm.memory.read(registers.rsp as bigint, 8)
    const why = new DataView(stack.buffer).getUint32(4, true)
    expect(await vm.memory.readString(why)).toBe('the heap is corrupt')
    await vm.memory.write(why, Buffer.from('a test was here\0'))
    expect(await vm.memory.readString(why, 64, { physical: true })).toBe('a test was here')
    await vm.serial.waitFor('PANIC: a test was here')
  })

  test('it stops behind the very write, which no page table hides', async () => {
    const vm = await started('LOCK_TWICE')
    await vm.watch('lock', { length: 4 })
    expect((await vm.backtrace())[0].symbol).toBe('spin_lock')
    expect(await vm.memory.read('lock', 4)).toEqual(Uint8Array.of(1, 0, 0, 0))
    await vm.watch('lock', { access: 'write', length: 4 })
    expect((await vm.backtrace()).map(({ symbol }) => symbol).slice(0, 2)).toEqual(['spin_lock', 'take_twice'])
  })

  test.skipIf(!haveGdb)('gdb finds the functions and the memory in a core file', async () => {
    const vm = await started('PANIC')
    await vm.breakAt('panic')
    const core = join(mkdtempSync(join(tmpdir(), 'bootwright-core-')), 'guest.core')
    await vm.dumpCore(core)
    const kernel = compiledKernel('PANIC-O0', SOURCE, '-DMODE=PANIC', '-O0')
    const commands = ['backtrace', 'p/x $cs', 'x/s (char*)*(int*)($esp+4)'].flatMap((one) => ['-ex', one])
    const { stdout, stderr } = spawnSync('gdb', ['-batch', '-nx', kernel, core, ...commands], { encoding: 'utf8' })
    expect(stdout, stderr).toMatch(/#0 +panic .*\n#1 .* check_heap .*\n#2 .* kmain/)
    expect(stdout).toContain('= 0x8')
    expect(stdout).toContain('"the heap is corrupt"')
    await expect(vm.dumpCore('/nowhere/guest.core')).rejects.toThrow(/\/nowhere\/guest.core/)
  })

  test('what it asks for that cannot be is a sentence each', async () => {
    const vm = await started('PANIC')
    await vm.breakAt('kmain')
    await expect(vm.breakAt('pannic')).rejects.toThrow("there is no symbol 'pannic'; did you mean 'panic'?")
    await expect(vm.memory.read('nowhere', 4)).rejects.toThrow("there is no symbol 'nowhere'")
    await expect(vm.memory.read(0xf0000000, 4, { physical: true })).rejects.toThrow(
      'no memory is at the physical address 0xf0000000',
    )
    await expect(vm.memory.read(0, -1)).rejects.toThrow('-1 bytes cannot be read at once')
    await expect(vm.cpu(4).registers()).rejects.toThrow('there is no CPU 4; the machine has 1, numbered from 0')
    await vm.breakAt('check_heap')
    await expect(vm.memory.read('guard', 4)).rejects.toThrow(/no memory is mapped at 0x\w+ by the CPU's page tables/)
    await expect(vm.breakAt('busy', { timeout: '1s' })).rejects.toThrow(/the CPU at busy/)
  })
})
