/** A debugger's places as KVM is told them, with the kernel's side of the ioctls played. */
import { describe, expect, test } from 'vitest'
import type { Breakpoint, MemoryRegion } from '../../../../machine/cpu/engine.js'
import * as abi from '../../../../machine/cpu/kvm/abi.js'
import { control, planned, refusal } from '../../../../machine/cpu/kvm/debug-registers.js'
import { GuestDebug } from '../../../../machine/cpu/kvm/guest-debug.js'
import { libc } from '../../../../machine/host/libc.js'

const INT3 = 0xcc
const PAGE = 4096
const REGIONS: MemoryRegion[] = [
  { address: 0, size: 2 * PAGE, offset: PAGE, kind: 'ram' },
  { address: 0xf000, size: PAGE, offset: 3 * PAGE, kind: 'rom' },
]

const point = (kind: Breakpoint['kind'], address: number, length = 1): Breakpoint => ({
  ...{ kind, address: BigInt(address), length },
})
const at = (...addresses: number[]): Breakpoint[] => addresses.map((address) => point('execute', address))

describe('debug registers', () => {
  const nowhere = () => false
  const everywhere = () => true

  test.each([
    [0x1000, 1, ['1000+1']],
    [0x1000, 8, ['1000+8']],
    [0x1001, 15, ['1001+1', '1002+2', '1004+4', '1008+8']],
    [0x1003, 2, ['1003+1', '1004+1']],
    [0x1006, 4, ['1006+2', '1008+2']],
    [0x1000, 32, ['1000+8', '1008+8', '1010+8', '1018+8']],
  ] as const)('bytes from %s on, %s of them, are watched in aligned pieces', (address, length, pieces) => {
    const { registers } = planned([point('write', address, length)], everywhere)
    expect(registers.map((one) => `${one.address.toString(16)}+${one.length}`)).toEqual(pieces)
  })

  test('DR7 has each type and length at its bits', () => {
    const { registers } = planned([point('access', 0x1008, 8), point('write', 0x1010, 4), ...at(0x2000)], everywhere)
    // G0 to G2, GE, bit 10; R/W 3 and LEN 2, R/W 1 and LEN 3, R/W 0 and LEN 0.
    expect(control(registers).toString(16)).toBe((0x600 | 0x2a | (0xb << 16) | (0xd << 20)).toString(16))
  })

  test('data come first, then instructions where no INT3 can stand', () => {
    const some = (address: bigint) => address !== 0xf800n
    const plan = planned([...at(1, 2, 3, 0xf800), point('write', 8, 8), point('access', 16, 1)], some)
    expect(plan.registers.map(({ address }) => Number(address))).toEqual([8, 16, 0xf800, 1])
    expect(plan.patched).toEqual(at(2, 3))
    expect(planned(at(1, 2, 3, 4), nowhere).patched).toEqual([])
  })

  test('what it cannot stop at has a sentence', () => {
    expect(refusal([...at(1, 2, 3, 4, 5, 6), point('write', 0, 32), point('in', 0x60)])).toBeUndefined()
    expect(refusal([point('read', 0)])).toMatch(/no watchpoint for reads alone/)
    expect(refusal([point('write', 1, 32)])).toMatch(/four|4 debug registers/)
    expect(refusal([point('interrupt', 14)])).toMatch(/without telling; take the soft engine/)
    expect(refusal([point('wrmsr', 0x1b)])).toMatch(/MSRs without telling/)
  })
})

let noKoffi: string | undefined
try {
  libc()
} catch (error) {
  noKoffi = (error as Error).message
}

describe.skipIf(noKoffi)(`KVM_SET_GUEST_DEBUG${noKoffi ? ` (skipped: ${noKoffi})` : ''}`, () => {
  /** The kernel's side: linear addresses are physical ones, up to 64 KiB. */
  class Kernel {
    readonly page = new DataView(new ArrayBuffer(4096))
    readonly arena = new Uint8Array(4 * PAGE).fill(0x90)
    readonly debug: GuestDebug
    /** What each KVM_SET_GUEST_DEBUG said: control, DR0 to DR3, DR7. */
    readonly told: string[] = []
    dr6 = 0n

    constructor(able = true, does = { data: true, patches: true, steps: true }) {
      const call = (name: string, _request: number, argument: number): number => {
        const view = new DataView(libc().view(argument, abi.DEBUGREGS_SIZE))
        if (name === 'KVM_TRANSLATE') this.translate(new DataView(libc().view(argument, abi.TRANSLATION_SIZE)))
        if (name === 'KVM_SET_GUEST_DEBUG') this.note(new DataView(libc().view(argument, abi.GUEST_DEBUG_SIZE)))
        if (name === 'KVM_GET_DEBUGREGS') view.setBigUint64(abi.DEBUGREGS_DR6, 0xffff0ff0n, true)
        if (name === 'KVM_SET_DEBUGREGS') this.dr6 = view.getBigUint64(abi.DEBUGREGS_DR6, true)
        return 0
      }
      this.debug = new GuestDebug(
        { call, page: this.page },
        this.arena,
        () => REGIONS,
        able,
        () => does,
      )
    }

    private translate(view: DataView): void {
      const linear = view.getBigUint64(0, true)
      view.setBigUint64(abi.TRANSLATION_PHYSICAL, linear & 0xffffn, true)
      view.setUint8(abi.TRANSLATION_VALID, linear < 0x20000n ? 1 : 0)
    }

    private note(view: DataView): void {
      const registers = [0, 1, 2, 3, 7].map((i) => view.getBigUint64(abi.GUEST_DEBUG_REGISTERS + i * 8, true))
      this.told.push([BigInt(view.getUint32(0, true)), ...registers].map((one) => one.toString(16)).join(' '))
    }

    exit(exception: number, pc: number, dr6 = 0): ReturnType<GuestDebug['take']> {
      this.page.setUint32(abi.DEBUG_EXCEPTION, exception, true)
      this.page.setBigUint64(abi.DEBUG_PC, BigInt(pc), true)
      this.page.setBigUint64(abi.DEBUG_DR6, BigInt(dr6), true)
      return this.debug.take()
    }
  }

  test('nothing is told where nobody debugs, and the end of it once', () => {
    const { debug, told } = new Kernel()
    debug.arm()
    debug.disarm()
    debug.arm()
    expect(told).toEqual([])
    debug.set(at(0x100))
    debug.arm()
    debug.disarm()
    debug.arm()
    expect(told).toEqual(['20001 100 0 0 0 602'])
    debug.set([])
    debug.arm()
    debug.disarm()
    debug.arm()
    expect(told.slice(1)).toEqual(['0 0 0 0 0 0'])
  })

  test('an INT3 stands while the guest runs, and not after', () => {
    const { debug, arena, told } = new Kernel()
    debug.set(at(1, 2, 3, 4, 0x10, 0x11))
    debug.arm()
    expect([...arena.subarray(PAGE + 0x0f, PAGE + 0x13)]).toEqual([0x90, INT3, INT3, 0x90])
    expect(told).toEqual(['30001 1 2 3 4 6aa'])
    debug.disarm()
    expect(arena.every((byte) => byte === 0x90)).toBe(true)
  })

  test('what a device or the guest has put over an INT3 stays', () => {
    const { debug, arena } = new Kernel()
    debug.set(at(1, 2, 3, 4, 0x10, 0x11, 0x12))
    debug.arm()
    arena[PAGE + 0x10] = INT3
    debug.memoryChanged(PAGE + 0x10, 1)
    arena[PAGE + 0x11] = 0x55
    debug.disarm()
    expect([...arena.subarray(PAGE + 0x10, PAGE + 0x13)]).toEqual([INT3, 0x55, 0x90])
  })

  test('a place that no page maps, and one in ROM, get registers', () => {
    const { debug, arena, told } = new Kernel()
    debug.set(at(1, 2, 3, 0xf800, 0x20000))
    debug.arm()
    expect(told).toEqual(['30001 f800 20000 1 2 6aa'])
    expect(arena[PAGE + 3]).toBe(INT3)
  })

  test('a trap is told by what it was for', () => {
    const kernel = new Kernel()
    const points = [point('write', 0x200, 4), ...at(0x10, 0x11, 0x12, 0x13)]
    kernel.debug.set(points)
    kernel.debug.arm()
    expect(kernel.exit(1, 0x55, 1)).toEqual({ reason: 'breakpoint', hit: points[0] })
    expect(kernel.exit(1, 0x10, 2)).toEqual({ reason: 'breakpoint', hit: points[1] })
    expect(kernel.exit(3, 0x13)).toEqual({ reason: 'breakpoint', hit: points[4] })
    // Bits of registers that look elsewhere.
    expect(kernel.exit(1, 0x77, 2)).toBeUndefined()
    expect(kernel.exit(3, 0x14)).toBe('guest')
    expect(kernel.exit(1, 0x14, 0x4000)).toBe('guest')
  })

  test('the same byte at another address is stepped over', () => {
    const { debug, ...kernel } = new Kernel()
    debug.set(at(1, 2, 3, 4, 0x10))
    debug.arm()
    kernel.page.setUint32(abi.DEBUG_EXCEPTION, 3, true)
    kernel.page.setBigUint64(abi.DEBUG_PC, 0x10010n, true)
    expect(debug.take()).toBeUndefined()
    expect(debug.stepping).toBe('over')
  })

  test('a step leaves out instructions and keeps data, and its end arms all again', () => {
    const kernel = new Kernel()
    const { debug, told, arena } = kernel
    debug.set([point('write', 0x200, 4), ...at(0x10, 0x11, 0x12, 0x13)])
    debug.arm()
    debug.stepping = 'over'
    debug.arm()
    expect(told.at(-1)).toBe('20003 200 0 0 0 d0602')
    expect(arena[PAGE + 0x13]).toBe(0x90)
    expect(kernel.exit(1, 0x11, 0x4000)).toBeUndefined()
    debug.arm()
    expect(told.at(-1)).toBe('30001 200 10 11 12 d06aa')
    debug.stepping = 'asked'
    debug.arm()
    expect(kernel.exit(1, 0x12, 0x4000)).toEqual({ reason: 'step' })
    expect(debug.stepping).toBeUndefined()
  })

  test('the guest gets its own traps, with the cause in its DR6', () => {
    const kernel = new Kernel()
    kernel.debug.set(at(0x10))
    kernel.debug.arm()
    expect(kernel.exit(1, 0x33, 0x4000)).toBe('guest')
    kernel.debug.giveBack()
    expect(kernel.dr6).toBe(0xffff4ff0n)
    expect(kernel.told.at(-1)).toBe('60001 10 0 0 0 602')
    expect(kernel.exit(3, 0x33)).toBe('guest')
    kernel.debug.giveBack()
    expect(kernel.told.at(-1)).toBe('a0001 10 0 0 0 602')
  })

  test.each([
    ['data', [point('write', 0x1000, 4)], at(1, 2, 3, 4)],
    ['patches', at(1, 2, 3, 4, 5), [...at(1, 2), point('access', 0x1000)]],
  ] as const)('where KVM does not tell of %s the soft engine executes', (what, without, within) => {
    const kernel = new Kernel(true, { data: true, patches: true, steps: true, [what]: false })
    const able = new Kernel()
    for (const [points, isSoft] of [
      [without, true],
      [within, false],
    ] as const) {
      kernel.debug.set(points)
      able.debug.set(points)
      expect([kernel.debug.isSoft, able.debug.isSoft]).toEqual([isSoft, false])
    }
  })

  test('where KVM does not tell of all steps the soft engine steps', () => {
    const kernel = new Kernel(true, { data: true, patches: true, steps: false })
    kernel.debug.set(at(1))
    expect(kernel.debug.isSoft).toBe(false)
    kernel.debug.stepping = 'over'
    expect(kernel.debug.isSoft).toBe(true)
  })

  test('a kernel without the capability says so, and steps nothing', () => {
    const { debug, told } = new Kernel(false)
    expect(debug.refusal(at(1))).toMatch(/knows no breakpoints/)
    expect(debug.refusal([])).toBeUndefined()
    debug.stepping = 'asked'
    debug.arm()
    expect(told).toEqual([])
  })
})
