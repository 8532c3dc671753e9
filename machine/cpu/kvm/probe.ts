/**
 * How well this host's KVM executes what a PC's guests consist of. Not every /dev/kvm is VT-x or AMD-V: some emulate
 * all but 64-bit user mode, a hundred times slower than the soft engine, and fail at paging.
 */

import { EINTR, libc, MAP_FAILED, MAP_PRIVATE_ANONYMOUS, PROT_READ_WRITE, Struct } from '../../host/libc.js'
import * as abi from './abi.js'
import { KvmError } from './access.js'
import { Alarm } from './alarm.js'
import { type KvmVcpu, KvmVm } from './vm.js'

/** Below this the soft engine is the faster one, in million instructions a second. */
export const ENOUGH_MIPS = 50

export interface ProbedMode {
  name: string
  /** Million instructions a second; 0 where it fails. */
  mips: number
  /** What went wrong. */
  failure?: string
}

export interface KvmProbe {
  modes: ProbedMode[]
  /** KVM_RUN comes back when the guest can take an interrupt; else the engine has to look for that moment itself. */
  interruptWindow: boolean
  /** Every mode runs, fast enough, and interrupts arrive when they should. */
  adequate: boolean
  /** One clause, e.g. "KVM here runs real mode at 1.1 MIPS and fails in 32-bit paged mode (triple fault)". */
  finding: string
}

/** Time of the processor that each mode gets, in ns; on a busy host more time passes. */
const PROBE_TIME = 4e6
const MOST_TURNS = 20
const CLOCK_THREAD_CPUTIME_ID = 3

const MEMORY = 0x20000
const CODE = 0x1000
const DIRECTORY_32 = 0x2000
const TABLE_32 = 0x3000
/** PML4, page directory pointers, directory, table. */
const TABLES_64 = [0x4000, 0x5000, 0x6000, 0x7000]
const PRESENT_WRITABLE = 3

// Both count ECX down from ffffffff: dec ecx; jnz; hlt.
const LOOP_16 = [0x66, 0xff, 0xc9, 0x75, 0xfb, 0xf4]
const LOOP_32 = [0xff, 0xc9, 0x75, 0xfc, 0xf4]
/** cli; 1000 turns of loop; inc bx; sti; nop; and again: interrupts are taken at one instruction in a thousand. */
const NARROW_WINDOW = [0xfa, 0xb9, 0xe8, 0x03, 0xe2, 0xfe, 0x43, 0xfb, 0x90, 0xeb, 0xf5]
/** So often the very first window has to be met: once may be chance. */
const WINDOW_TRIALS = 3
const START = 0xffffffff
const RCX = 1
const RBX = 3
const INSTRUCTIONS_PER_TURN = 2

const CR0_PE = 1n
const CR0_ET = 0x10n
const CR0_PG = 0x80000000n
const CR4_PAE = 0x20n
const EFER_LONG = 0x500n

// Offsets in struct kvm_segment.
const DB = 17
const L = 19
const G = 20

export interface Mode {
  name: string
  program: number[]
  cr0: bigint
  cr3: number
  cr4: bigint
  efer: bigint
  bits: 16 | 32 | 64
}

export const MODES: readonly Mode[] = [
  { name: 'real mode', program: LOOP_16, cr0: CR0_ET, cr3: 0, cr4: 0n, efer: 0n, bits: 16 },
  {
    name: '32-bit paged mode',
    program: LOOP_32,
    cr0: CR0_PE | CR0_ET | CR0_PG,
    cr3: DIRECTORY_32,
    cr4: 0n,
    efer: 0n,
    bits: 32,
  },
  {
    name: '64-bit kernel mode',
    program: LOOP_32,
    cr0: CR0_PE | CR0_ET | CR0_PG,
    cr3: TABLES_64[0],
    cr4: CR4_PAE,
    efer: EFER_LONG,
    bits: 64,
  },
]

const WINDOW = 'interrupt window'

/** Identity maps of the first 128 KiB. */
function buildPageTables(memory: DataView): void {
  memory.setUint32(DIRECTORY_32, TABLE_32 | PRESENT_WRITABLE, true)
  for (let i = 0; i < 3; i++) memory.setUint32(TABLES_64[i], TABLES_64[i + 1] | PRESENT_WRITABLE, true)
  for (let page = 0; page < MEMORY / 4096; page++) {
    memory.setUint32(TABLE_32 + page * 4, (page * 4096) | PRESENT_WRITABLE, true)
    memory.setUint32(TABLES_64[3] + page * 8, (page * 4096) | PRESENT_WRITABLE, true)
  }
}

function enterMode(vcpu: KvmVcpu, mode: Mode): void {
  const sregs = new Struct(abi.SREGS_SIZE)
  vcpu.call('KVM_GET_SREGS', abi.KVM_GET_SREGS, sregs.address)
  const { view } = sregs
  for (const at of abi.SREGS_SEGMENTS) {
    const code = at === abi.SREGS_SEGMENTS[1]
    view.setBigUint64(at, 0n, true)
    view.setUint32(at + 8, mode.bits === 16 ? 0xffff : 0xffffffff, true)
    view.setUint16(at + 12, mode.bits === 16 ? 0 : code ? 8 : 16, true)
    view.setUint8(at + DB, mode.bits === 32 || (mode.bits === 64 && !code) ? 1 : 0)
    view.setUint8(at + L, mode.bits === 64 && code ? 1 : 0)
    view.setUint8(at + G, mode.bits === 16 ? 0 : 1)
  }
  view.setBigUint64(abi.SREGS_CR0, mode.cr0, true)
  view.setBigUint64(abi.SREGS_CR3, BigInt(mode.cr3), true)
  view.setBigUint64(abi.SREGS_CR4, mode.cr4, true)
  view.setBigUint64(abi.SREGS_EFER, mode.efer, true)
  vcpu.call('KVM_SET_SREGS', abi.KVM_SET_SREGS, sregs.address)
  const regs = new Struct(abi.REGS_SIZE)
  regs.view.setBigUint64(abi.REGS_GPR[RCX], BigInt(START), true)
  regs.view.setBigUint64(abi.REGS_RIP, BigInt(CODE), true)
  regs.view.setBigUint64(abi.REGS_RFLAGS, 2n, true)
  vcpu.call('KVM_SET_REGS', abi.KVM_SET_REGS, regs.address)
}

/** The processor's time that this thread has had, in ns; the guest's is in it. */
function threadTime(): number {
  const time = new Struct(16)
  libc().clockGettime(CLOCK_THREAD_CPUTIME_ID, time.address)
  return Number(time.view.getBigInt64(0, true)) * 1e9 + Number(time.view.getBigInt64(8, true))
}

/** The low half of a register. */
function register(vcpu: KvmVcpu, number: number): number {
  const regs = new Struct(abi.REGS_SIZE)
  vcpu.call('KVM_GET_REGS', abi.KVM_GET_REGS, regs.address)
  return regs.view.getUint32(abi.REGS_GPR[number], true)
}

/** What KVM_RUN came back for, if that was not the alarm. */
function enter(vcpu: KvmVcpu): string | undefined {
  const errno = vcpu.run()
  if (errno === EINTR) return undefined
  if (errno !== 0) return `errno ${errno}`
  const reason = vcpu.page.getUint32(abi.RUN_EXIT_REASON, true)
  switch (reason) {
    case abi.EXIT_INTR:
      return undefined
    case abi.EXIT_IRQ_WINDOW_OPEN:
      return WINDOW
    case abi.EXIT_SHUTDOWN:
      return 'triple fault'
    case abi.EXIT_FAIL_ENTRY:
      return 'entry refused'
    case abi.EXIT_INTERNAL_ERROR:
      return abi.INTERNAL_ERRORS[vcpu.page.getUint32(abi.INTERNAL_SUBERROR, true)] ?? 'internal error'
    default:
      return `exit reason ${reason}`
  }
}

/** Runs until the guest has had PROBE_TIME, or something else than the alarm ends it: that, and the ns it had. */
function runAWhile(vcpu: KvmVcpu, alarm: Alarm): { ended?: string; time: number } {
  const begin = threadTime()
  for (let turn = 0; ; turn++) {
    alarm.set(PROBE_TIME)
    const ended = enter(vcpu)
    alarm.drain()
    const time = threadTime() - begin
    if (ended || time >= PROBE_TIME || turn === MOST_TURNS) return { ended, time }
  }
}

/** Makes a machine that is about to run `mode.program`, and takes it apart again. */
export function withMachine<T>(mode: Mode, use: (vcpu: KvmVcpu, alarm: Alarm) => T): T {
  const c = libc()
  const memory = c.mmap(0, MEMORY, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0)
  if (memory === MAP_FAILED) throw new KvmError('mmap', c.errno())
  let vm: KvmVm | undefined
  let vcpu: KvmVcpu | undefined
  let alarm: Alarm | undefined
  try {
    const bytes = new Uint8Array(c.view(memory, MEMORY))
    buildPageTables(new DataView(bytes.buffer))
    bytes.set(mode.program, CODE)
    vm = new KvmVm()
    vm.setSlot(0, 0, MEMORY, memory, false)
    vcpu = vm.createVcpu()
    alarm = new Alarm()
    vcpu.call('KVM_SET_SIGNAL_MASK', abi.KVM_SET_SIGNAL_MASK, alarm.signalMask().address)
    enterMode(vcpu, mode)
    return use(vcpu, alarm)
  } finally {
    alarm?.close()
    vcpu?.close()
    vm?.close()
    c.munmap(memory, MEMORY)
  }
}

function probeMode(mode: Mode): ProbedMode {
  const { name } = mode
  try {
    return withMachine(mode, (vcpu, alarm) => {
      const { ended, time } = runAWhile(vcpu, alarm)
      if (ended) return { name, mips: 0, failure: ended }
      const turns = START - register(vcpu, RCX)
      return { name, mips: (turns * INSTRUCTIONS_PER_TURN * 1e3) / time }
    })
  } catch (error) {
    return { name, mips: 0, failure: (error as Error).message }
  }
}

function meetsFirstWindow(): boolean {
  return withMachine({ ...MODES[0], program: NARROW_WINDOW }, (vcpu, alarm) => {
    vcpu.page.setUint8(abi.RUN_REQUEST_INTERRUPT_WINDOW, 1)
    return runAWhile(vcpu, alarm).ended === WINDOW && register(vcpu, RBX) === 1
  })
}

function probeInterruptWindow(): boolean {
  try {
    for (let trial = 0; trial < WINDOW_TRIALS; trial++) if (!meetsFirstWindow()) return false
    return true
  } catch {
    return false
  }
}

function describe(modes: readonly ProbedMode[], interruptWindow: boolean): string {
  const parts = modes.map(({ name, mips, failure }) =>
    failure
      ? `fails in ${name} (${failure})`
      : `runs ${name} at ${mips < 10 ? mips.toFixed(1) : Math.round(mips)} MIPS`,
  )
  if (!interruptWindow) parts.push('does not say when an interrupt can be delivered')
  return `KVM here ${parts.slice(0, -1).join(', ')} and ${parts[parts.length - 1]}`
}

let result: KvmProbe | undefined

/** Some 25 ms at the first call in a thread, nothing afterwards. */
export function probeKvm(): KvmProbe {
  if (result) return result
  const modes = MODES.map(probeMode)
  const interruptWindow = probeInterruptWindow()
  const adequate = interruptWindow && modes.every((mode) => !mode.failure && mode.mips >= ENOUGH_MIPS)
  result = { modes, interruptWindow, adequate, finding: describe(modes, interruptWindow) }
  return result
}
