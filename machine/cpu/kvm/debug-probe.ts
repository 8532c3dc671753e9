/**
 * What this host's KVM tells a debugger. On VT-x and AMD-V the processor does it; a KVM that emulates its guests' kernels
 * looks at DR0 to DR3 for instructions alone, gives an INT3 to the guest, and says nothing of a step over OUT or HLT.
 */

import { Struct } from '../../host/libc.js'
import * as abi from './abi.js'
import { control } from './debug-registers.js'
import { MODES, type Mode, withMachine } from './probe.js'
import type { KvmVcpu } from './vm.js'

export interface DebugProbe {
  /** Accesses that DR0 to DR3 watch for. */
  data: boolean
  /** INT3s of the debugger's. */
  patches: boolean
  /** Each instruction, also those that KVM does itself. */
  steps: boolean
}

const BP = 3
const WATCHED = 0x800
const [REAL, , LONG] = MODES
/** mov byte [800h], 7; hlt */
const WRITES = { real: [0xc6, 0x06, 0x00, 0x08, 7, 0xf4], long: [0xc6, 0x04, 0x25, 0, 8, 0, 0, 7, 0xf4] }

interface Armed {
  flags: number
  /** DR0, looks at writes. */
  address?: number
}

/** The exit behind which a program stands that is armed so; accesses to ports are completed. */
function firstExit(mode: Mode, program: number[], { flags, address }: Armed): KvmVcpu['page'] | undefined {
  return withMachine({ ...mode, program }, (vcpu, alarm) => {
    const setting = new Struct(abi.GUEST_DEBUG_SIZE)
    setting.view.setUint32(0, abi.GUESTDBG_ENABLE | flags, true)
    if (address !== undefined) {
      const point = { kind: 'write', address: BigInt(address), length: 1 } as const
      setting.view.setBigUint64(abi.GUEST_DEBUG_REGISTERS, point.address, true)
      const dr7 = control([{ point, address: point.address, length: 1 }])
      setting.view.setBigUint64(abi.GUEST_DEBUG_REGISTERS + 7 * 8, BigInt(dr7), true)
    }
    vcpu.call('KVM_SET_GUEST_DEBUG', abi.KVM_SET_GUEST_DEBUG, setting.address)
    alarm.set(20e6)
    let errno = vcpu.run()
    if (errno === 0 && vcpu.page.getUint32(abi.RUN_EXIT_REASON, true) === abi.EXIT_IO) errno = vcpu.run()
    alarm.drain()
    // The page goes with the CPU.
    return errno === 0
      ? new DataView(new Uint8Array(vcpu.page.buffer, vcpu.page.byteOffset, 256).slice().buffer)
      : undefined
  })
}

const reasonOf = (page: DataView | undefined): number | undefined => page?.getUint32(abi.RUN_EXIT_REASON, true)

function watchesData(mode: Mode, program: number[]): boolean {
  const page = firstExit(mode, program, { flags: abi.GUESTDBG_USE_HW_BP, address: WATCHED })
  return page !== undefined && reasonOf(page) === abi.EXIT_DEBUG && (page.getBigUint64(abi.DEBUG_DR6, true) & 1n) === 1n
}

function tellsInt3(mode: Mode): boolean {
  const page = firstExit(mode, [0xcc, 0xf4], { flags: abi.GUESTDBG_USE_SW_BP })
  return page !== undefined && reasonOf(page) === abi.EXIT_DEBUG && page.getUint32(abi.DEBUG_EXCEPTION, true) === BP
}

/** out 80h, al; nop; hlt: the trap stands behind the OUT. And a HLT that is stepped over halts. */
function stepsAll(mode: Mode): boolean {
  const flags = abi.GUESTDBG_SINGLESTEP
  const out = firstExit(mode, [0xe6, 0x80, 0x90, 0xf4], { flags })
  const trap = out !== undefined && reasonOf(out) === abi.EXIT_DEBUG ? out.getBigUint64(abi.DEBUG_PC, true) : 0n
  return (trap & 0xfffn) === 2n && reasonOf(firstExit(mode, [0xf4, 0x90, 0xf4], { flags })) === abi.EXIT_HLT
}

let result: DebugProbe | undefined

/** Some milliseconds at the first call in a thread, when a debugger comes; nothing afterwards. */
export function probeDebug(): DebugProbe {
  if (result) return result
  const works = (what: () => boolean): boolean => {
    try {
      return what()
    } catch {
      return false
    }
  }
  result = {
    data: works(() => watchesData(REAL, WRITES.real) && watchesData(LONG, WRITES.long)),
    patches: works(() => tellsInt3(REAL) && tellsInt3(LONG)),
    steps: works(() => stepsAll(REAL) && stepsAll(LONG)),
  }
  return result
}
