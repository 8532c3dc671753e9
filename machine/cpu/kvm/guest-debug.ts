/**
 * A debugger's breakpoints and steps on KVM (Documentation/virt/kvm/api.rst, 4.87 KVM_SET_GUEST_DEBUG).
 *
 * While breakpoints stand, the debug registers are the debugger's: the guest reads and writes its own, which find nothing.
 * INT3s stand in the guest's memory for as long as KVM runs and no longer, so nobody but the guest itself, and its DMA,
 * sees them. They are put where the page tables of that moment have their places, and anew at each run.
 */
import { Struct } from '../../host/libc.js'
import type { Breakpoint, Exit, MemoryRegion } from '../engine.js'
import * as abi from './abi.js'
import type { DebugProbe } from './debug-probe.js'
import { control, DEBUG_REGISTERS, type Plan, planned, refusal, type Watched } from './debug-registers.js'
import type { KvmVcpu } from './vm.js'

const BP = 3
const INT3 = 0xcc
/** DR6: an access to a debug register, a single step, a task switch. */
const DR6_BD = 0x2000n
const DR6_BS = 0x4000n
const DR6_BT = 0x8000n
const GUESTS_OWN = DR6_BD | DR6_BS | DR6_BT

/** A step over a breakpoint that was stopped at, or one that was asked for. */
export type Step = 'over' | 'asked'

export class GuestDebug {
  private points: readonly Breakpoint[] = []
  private plan: Plan = { registers: [], patched: [] }
  private readonly setting = new Struct(abi.GUEST_DEBUG_SIZE)
  private readonly registers = new Struct(abi.DEBUGREGS_SIZE)
  private readonly translation = new Struct(abi.TRANSLATION_SIZE)
  /** What stood where an INT3 is, by offset in the arena. */
  private readonly patches = new Map<number, number>()
  /** What the kernel was told last. */
  private told = ''
  private step: Step | undefined
  /** The kernel may have to be told, or an INT3 be put. */
  private due = false

  /**
   * @param arena All memory of the machine.
   * @param regions What of it the CPU sees.
   */
  constructor(
    private readonly vcpu: Pick<KvmVcpu, 'call' | 'page'>,
    private readonly arena: Uint8Array,
    private readonly regions: () => readonly MemoryRegion[],
    /** KVM_CAP_SET_GUEST_DEBUG. */
    private readonly able: boolean,
    /** What of it this host's KVM does; asked for when a debugger wants something. */
    private readonly does: () => DebugProbe,
  ) {}

  /** The soft engine executes in KVM's place: KVM would run past a place, or a step. */
  get isSoft(): boolean {
    if (this.step && !this.does().steps) return true
    if (this.points.length === 0) return false
    const instructions = this.points.filter(({ kind }) => kind === 'execute').length
    const data = this.points.some(({ kind }) => kind === 'write' || kind === 'access')
    return (data && !this.does().data) || (instructions > DEBUG_REGISTERS && !this.does().patches)
  }

  refusal(points: readonly Breakpoint[]): string | undefined {
    if (points.length === 0) return undefined
    return this.able ? refusal(points) : 'KVM of this host knows no breakpoints; take the soft engine'
  }

  set(points: readonly Breakpoint[]): void {
    this.points = points
    this.due = true
  }

  get all(): readonly Breakpoint[] {
    return this.points
  }

  /** The step under way. */
  get stepping(): Step | undefined {
    return this.step
  }

  set stepping(step: Step | undefined) {
    this.step = this.able ? step : undefined
    this.due = true
  }

  /** Before KVM runs. A step passes by the places of instructions. */
  arm(): void {
    if (!this.due) return
    this.due = false
    this.lift()
    const plan = planned(this.points, (address) => this.offsetOf(address) !== undefined)
    const data = plan.registers.filter(({ point }) => point.kind !== 'execute')
    this.plan = this.step ? { registers: data, patched: [] } : plan
    for (const { address } of this.plan.patched) this.patch(address)
    this.tell(0)
  }

  /** After it has run: the memory is the guest's again. */
  disarm(): void {
    this.lift()
    this.due = this.points.length > 0 || this.told !== ''
  }

  private lift(): void {
    for (const [offset, byte] of this.patches) if (this.arena[offset] === INT3) this.arena[offset] = byte
    this.patches.clear()
  }

  /** A device has written there: an INT3 of ours is gone with what stood there. */
  memoryChanged(offset: number, length: number): void {
    for (const at of this.patches.keys()) if (at >= offset && at < offset + length) this.patches.delete(at)
  }

  /** What KVM_EXIT_DEBUG, which stands in the run page, is to a debugger. `guest`: the trap is the guest's own. */
  take(): Exit | 'guest' | undefined {
    const { page } = this.vcpu
    const pc = page.getBigUint64(abi.DEBUG_PC, true)
    const isAt = (point: Breakpoint): boolean => point.kind === 'execute' && point.address === pc
    if (page.getUint32(abi.DEBUG_EXCEPTION, true) === BP) {
      const hit = this.points.find(isAt)
      if (hit) return { reason: 'breakpoint', hit }
      if (!this.patches.has(this.offsetOf(pc) ?? -1)) return 'guest'
      // The same byte at another address, where nobody wants to stop.
      this.stepping = 'over'
      return undefined
    }
    const dr6 = page.getBigUint64(abi.DEBUG_DR6, true)
    const found = this.plan.registers.find(
      ({ point }, i) => (dr6 >> BigInt(i)) & 1n && (point.kind !== 'execute' || isAt(point)),
    )
    const step = dr6 & DR6_BS ? this.stepDone() : undefined
    if (found) {
      this.stepping = undefined
      return { reason: 'breakpoint', hit: found.point }
    }
    if (step !== undefined) return step === 'over' ? undefined : { reason: 'step' }
    return dr6 & GUESTS_OWN ? 'guest' : undefined
  }

  /** The step under way is over: what it was. */
  stepDone(): Step | undefined {
    const { step } = this
    this.stepping = undefined
    return step
  }

  /** IN and OUT, as the run page has one. */
  portHit(): Exit | undefined {
    const { page } = this.vcpu
    const kind = page.getUint8(abi.IO_DIRECTION) === abi.IO_OUT ? 'out' : 'in'
    const port = page.getUint16(abi.IO_PORT, true)
    const end = port + page.getUint8(abi.IO_SIZE)
    const hit = this.points.find(
      (one) => one.kind === kind && Number(one.address) < end && port < Number(one.address) + one.length,
    )
    return hit && { reason: 'breakpoint', hit }
  }

  /** The guest gets the trap of `take`. */
  giveBack(): void {
    const { vcpu, registers } = this
    if (vcpu.page.getUint32(abi.DEBUG_EXCEPTION, true) === BP) {
      this.tell(abi.GUESTDBG_INJECT_BP)
      return
    }
    const why = vcpu.page.getBigUint64(abi.DEBUG_DR6, true) & GUESTS_OWN
    vcpu.call('KVM_GET_DEBUGREGS', abi.KVM_GET_DEBUGREGS, registers.address)
    const { view } = registers
    view.setBigUint64(abi.DEBUGREGS_DR6, view.getBigUint64(abi.DEBUGREGS_DR6, true) | why, true)
    vcpu.call('KVM_SET_DEBUGREGS', abi.KVM_SET_DEBUGREGS, registers.address)
    this.tell(abi.GUESTDBG_INJECT_DB)
  }

  private tell(inject: number): void {
    const { view, bytes, address } = this.setting
    const { registers } = this.plan
    bytes.fill(0)
    let flags = inject
    if (this.step) flags |= abi.GUESTDBG_SINGLESTEP
    if (this.patches.size > 0) flags |= abi.GUESTDBG_USE_SW_BP
    if (registers.length > 0) flags |= abi.GUESTDBG_USE_HW_BP
    if (flags) view.setUint32(0, abi.GUESTDBG_ENABLE | flags, true)
    registers.forEach((one: Watched, i) => {
      view.setBigUint64(abi.GUEST_DEBUG_REGISTERS + i * 8, one.address, true)
    })
    if (registers.length > 0) view.setBigUint64(abi.GUEST_DEBUG_REGISTERS + 7 * 8, BigInt(control(registers)), true)
    // Each telling begins a step anew, from where the CPU is.
    const words = flags ? Buffer.from(bytes).toString('latin1') : ''
    if (words === this.told && !inject && !this.step) return
    this.told = words
    this.vcpu.call('KVM_SET_GUEST_DEBUG', abi.KVM_SET_GUEST_DEBUG, address)
  }

  private patch(linear: bigint): void {
    const offset = this.offsetOf(linear)
    if (offset === undefined || this.patches.has(offset)) return
    this.patches.set(offset, this.arena[offset])
    this.arena[offset] = INT3
  }

  /** Where in the arena RAM has the byte; undefined where the CPU's page tables have none there now. */
  private offsetOf(linear: bigint): number | undefined {
    const { view, address } = this.translation
    view.setBigUint64(0, linear, true)
    this.vcpu.call('KVM_TRANSLATE', abi.KVM_TRANSLATE, address)
    if (view.getUint8(abi.TRANSLATION_VALID) === 0) return undefined
    const physical = Number(view.getBigUint64(abi.TRANSLATION_PHYSICAL, true))
    const region = this.regions().find((one) => physical >= one.address && physical < one.address + one.size)
    return region?.kind === 'ram' ? region.offset + physical - region.address : undefined
  }
}
