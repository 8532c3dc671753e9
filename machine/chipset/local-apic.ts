/**
 * The local APIC of one CPU: xAPIC registers at FEE00000h, x2APIC registers as MSRs 800h to 8FFh.
 *
 * Intel SDM volume 3, chapter 11 "Advanced Programmable Interrupt Controller" (registers: table 11-1, x2APIC: 11.12).
 * Version 14h with six LVT entries, as QEMU has it. The timer counts a bus clock of 1 GHz. Out of reset LINT0 of the
 * bootstrap processor passes ExtINT (the virtual wire mode of Intel's MultiProcessor Specification, section 3.6.2), so
 * that interrupts work before any firmware has touched the APIC.
 * The file is longer than others, because timer, priorities and messages all work on the one set of registers.
 */
import type { Clock } from '../clock.js'
import type { Device, IrqLine, MmioRange, StateTable, Warn } from '../device.js'
import { flag, list, starts, u32, word } from '../state/fields.js'
import { part, resetState } from '../state/state-table.js'
import {
  type ApicBus,
  type ApicTarget,
  BROADCAST_X2APIC,
  DELIVERY_EXTINT,
  DELIVERY_FIXED,
  DELIVERY_INIT,
  DELIVERY_LOWEST_PRIORITY,
  DELIVERY_NMI,
  DELIVERY_SMI,
  DELIVERY_STARTUP,
} from './apic-bus.js'
import { LocalApicTimer, type TscConversion } from './local-apic-timer.js'

// Registers: MMIO offset divided by 16, which is also the MSR less 800h
const ID = 0x02
const VERSION = 0x03
const TPR = 0x08
const APR = 0x09
const PPR = 0x0a
const EOI = 0x0b
const REMOTE_READ = 0x0c
const LDR = 0x0d
const DFR = 0x0e
const SVR = 0x0f
const ISR = 0x10
const TMR = 0x18
const IRR = 0x20
const ESR = 0x28
const ICR_LOW = 0x30
const ICR_HIGH = 0x31
const LVT_TIMER = 0x32
const LVT_LINT0 = 0x35
const LVT_LINT1 = 0x36
const LVT_ERROR = 0x37
const TIMER_INITIAL = 0x38
const TIMER_CURRENT = 0x39
const TIMER_DIVIDE = 0x3e
const SELF_IPI = 0x3f

/** Integrated APIC 14h, highest LVT entry 5. */
const VERSION_VALUE = 0x00050014
const SVR_ENABLE = 0x100
/** Writable: vector, enable, focus checking. */
const SVR_MASK = 0x3ff
const ICR_LOGICAL = 0x0800
const ICR_LEVEL_ASSERT = 0x4000
const ICR_TRIGGER_LEVEL = 0x8000
const ICR_MASK = 0xccfff & ~0x1000
const LVT_MASKED = 0x10000
const LVT_TRIGGER_LEVEL = 0x8000
/** Writable bits of the LVT entries timer, thermal, performance, LINT0, LINT1, error. */
const LVT_MASK = [0x700ff, 0x107ff, 0x107ff, 0x1a7ff, 0x1a7ff, 0x100ff]
const ESR_SEND_ILLEGAL_VECTOR = 0x20
const ESR_RECEIVE_ILLEGAL_VECTOR = 0x40
const ESR_ILLEGAL_REGISTER = 0x80

export const IA32_APIC_BASE = 0x1b
export const IA32_TSC_DEADLINE = 0x6e0
const IA32_TIME_STAMP_COUNTER = 0x10
const X2APIC_FIRST = 0x800
const X2APIC_LAST = 0x8ff
const BASE_BSP = 0x100
const BASE_X2APIC = 0x400
const BASE_ENABLE = 0x800
const BASE_ADDRESS = 0xfee00000
/** Besides bits 36 and up, which are beyond the physical address width that the CPU reports. */
const BASE_RESERVED_LOW = 0x2ff

export interface LocalApicOptions {
  /** APIC id, 0 for the bootstrap processor. */
  id: number
  /** Default: id 0. */
  bootstrap?: boolean
  clock: Clock
  bus: ApicBus
  /** The CPU's INTR pin. */
  intr: IrqLine
  /** An edge on the CPU's NMI pin. */
  nmi: () => void
  smi?: () => void
  /** INIT reached the CPU; the APIC has reset itself already. */
  init?: () => void
  /** A start-up IPI; whether the CPU waits for one is the CPU's matter. */
  sipi?: (vector: number) => void
  /** The 8259s, asked for the vector of an ExtINT. */
  pic?: { acknowledge(): number }
  /** Without it TSC-deadline mode never fires. */
  tsc?: TscConversion
  /** CPUID reports x2APIC, so that IA32_APIC_BASE may enable it; default true. */
  x2apic?: boolean
  warn?: Warn
}

/** The page at FEE00000h, where each CPU finds its own local APIC. */
export function localApicWindow(ofCurrentCpu: () => LocalApic): MmioRange {
  return {
    name: 'local APIC',
    base: BASE_ADDRESS,
    size: 0x1000,
    read: (offset, size) => ofCurrentCpu().readMmio(offset, size),
    write: (offset, value, size) => ofCurrentCpu().writeMmio(offset, value, size),
    peek: (offset) => ofCurrentCpu().readMmio(offset, 4),
  }
}

/** Number of the highest bit set in 256 bits, -1 for none. */
function highest(bits: Uint32Array): number {
  for (let i = 7; i >= 0; i--) if (bits[i]) return i * 32 + 31 - Math.clz32(bits[i])
  return -1
}

const STATE: StateTable = {
  ...{ baseLow: word, baseHigh: word, id: word },
  ...{ irr: starts(list(u32, 8), 0), isr: starts(list(u32, 8), 0), tmr: starts(list(u32, 8), 0) },
  lvt: starts(list(u32, 6), LVT_MASKED),
  ...{ tpr: starts(word, 0), ldr: starts(word, 0), dfr: starts(word, 0x0f), svr: starts(word, 0xff) },
  ...{ esr: starts(word, 0), errors: starts(word, 0), icrLow: starts(word, 0), icrHigh: starts(word, 0) },
  ...{ lint0Level: flag, lint1Level: flag, intrLevel: flag },
  timer: part(),
}

export class LocalApic implements Device, ApicTarget {
  readonly name: string
  readonly state = STATE
  readonly timer: LocalApicTimer
  private readonly bootstrap: boolean
  private baseLow = 0
  private baseHigh = 0
  private readonly irr = new Uint32Array(8)
  private readonly isr = new Uint32Array(8)
  private readonly tmr = new Uint32Array(8)
  private readonly lvt = new Uint32Array(6)
  private id: number
  private tpr = 0
  private ldr = 0
  private dfr = 0
  private svr = 0
  /** Errors as last latched by a write, and those found since. */
  private esr = 0
  private errors = 0
  private icrLow = 0
  private icrHigh = 0
  /** Levels of the pins. */
  private lint0Level = false
  private lint1Level = false
  private intrLevel = false

  constructor(private readonly options: LocalApicOptions) {
    this.name = `apic${options.id}`
    this.id = options.id
    this.bootstrap = options.bootstrap ?? options.id === 0
    this.timer = new LocalApicTimer(options.clock, options.tsc, `apic${options.id} timer`, () =>
      this.localInterrupt(LVT_TIMER),
    )
    options.bus.attach(this)
    this.powerOn()
  }

  /** Its timer is masked, and nothing waits in it. */
  get isSilent(): boolean {
    return (this.lvt[0] & LVT_MASKED) !== 0 && this.irr.every((word) => word === 0)
  }

  // Interrupts in --------------------------------------------------------------------------------------------------

  /** The LINT0 pin: INTR of the 8259s. A bound function. */
  readonly lint0: IrqLine = (level) => {
    if (level === this.lint0Level) return
    this.lint0Level = level
    if (this.hardwareEnabled) this.pin(LVT_LINT0, level)
    this.update()
  }

  /** The LINT1 pin: NMI of the chip set. */
  readonly lint1: IrqLine = (level) => {
    if (level === this.lint1Level) return
    this.lint1Level = level
    // With the APIC switched off the pin is the CPU's NMI pin.
    if (this.hardwareEnabled) this.pin(LVT_LINT1, level)
    else if (level) this.options.nmi()
    this.update()
  }

  /** The INIT# pin of this APIC's CPU, which the chip set pulses: the APIC and the CPU begin anew. */
  initPin(): void {
    this.init()
    this.options.init?.()
  }

  private pin(register: number, level: boolean): void {
    const entry = this.lvt[register - LVT_TIMER]
    if (level) this.localInterrupt(register)
    else if (!(entry & LVT_MASKED) && entry & LVT_TRIGGER_LEVEL && ((entry >> 8) & 7) === DELIVERY_FIXED) {
      // The request of a level-triggered pin goes with its level.
      this.irr[(entry & 0xff) >> 5] &= ~(1 << (entry & 31))
    }
  }

  /** Delivers what an LVT entry says. ExtINT is a level, see `update`. */
  private localInterrupt(register: number): void {
    const entry = this.lvt[register - LVT_TIMER]
    if (entry & LVT_MASKED) return
    const pin = register === LVT_LINT0 || register === LVT_LINT1
    const mode = register === LVT_TIMER || register === LVT_ERROR ? DELIVERY_FIXED : (entry >> 8) & 7
    if (mode !== DELIVERY_EXTINT) this.accept(mode, entry & 0xff, pin && (entry & LVT_TRIGGER_LEVEL) !== 0)
  }

  matches(destination: number, logical: boolean): boolean {
    if (!this.hardwareEnabled) return false
    if (destination === BROADCAST_X2APIC) return true
    if (!logical) return destination === (this.x2apicMode ? this.id : this.id & 0xff)
    if (this.x2apicMode) {
      const ldr = this.x2apicLdr
      return destination >>> 16 === ldr >>> 16 && (destination & ldr & 0xffff) !== 0
    }
    // Flat model: a bit for each APIC. Cluster model: cluster number and a bit for each member.
    if (this.dfr === 0x0f) return (destination & this.ldr) !== 0
    return this.dfr === 0 && destination >> 4 === this.ldr >> 4 && (destination & this.ldr & 0x0f) !== 0
  }

  accept(mode: number, vector: number, level: boolean): void {
    if (!this.hardwareEnabled) return
    switch (mode) {
      case DELIVERY_FIXED:
      case DELIVERY_LOWEST_PRIORITY: {
        if (!(this.svr & SVR_ENABLE)) return
        if (vector < 16) {
          this.error(ESR_RECEIVE_ILLEGAL_VECTOR)
          return
        }
        const bit = 1 << (vector & 31)
        this.irr[vector >> 5] |= bit
        if (level) this.tmr[vector >> 5] |= bit
        else this.tmr[vector >> 5] &= ~bit
        this.update()
        return
      }
      case DELIVERY_SMI:
        this.options.smi?.()
        return
      case DELIVERY_NMI:
        this.options.nmi()
        return
      case DELIVERY_INIT:
        this.initPin()
        return
      case DELIVERY_STARTUP:
        this.options.sipi?.(vector)
        return
      default:
        this.options.warn?.('local APIC: delivery mode that no CPU takes', mode)
    }
  }

  // Interrupts out -------------------------------------------------------------------------------------------------

  /** Enabled by hardware and by software. */
  get enabled(): boolean {
    return this.hardwareEnabled && (this.svr & SVR_ENABLE) !== 0
  }

  /** PPR: what the interrupt in service and the task priority keep out. */
  get processorPriority(): number {
    const inService = highest(this.isr)
    const service = inService < 0 ? 0 : inService & 0xf0
    return (this.tpr & 0xf0) >= service ? this.tpr : service
  }

  /** Whether INTR is up: a request above the processor priority, or an ExtINT. */
  hasInterrupt(): boolean {
    return this.deliverable() >= 0 || this.externalInterrupt
  }

  /** The INTA cycle: the vector, from the 8259s for an ExtINT, the spurious one if the request is gone. */
  acknowledge(): number {
    const vector = this.deliverable()
    if (vector >= 0) {
      const bit = 1 << (vector & 31)
      this.irr[vector >> 5] &= ~bit
      this.isr[vector >> 5] |= bit
      this.update()
      return vector
    }
    if (this.externalInterrupt && this.options.pic) return this.options.pic.acknowledge()
    return this.svr & 0xff
  }

  /** CR8: bits 7:4 of TPR. */
  get cr8(): number {
    return this.tpr >> 4
  }

  set cr8(value: number) {
    this.tpr = (value & 0x0f) << 4
    this.update()
  }

  private deliverable(): number {
    if (!this.enabled) return -1
    const vector = highest(this.irr)
    return vector >= 0 && (vector & 0xf0) > (this.processorPriority & 0xf0) ? vector : -1
  }

  private get externalInterrupt(): boolean {
    if (!this.lint0Level) return false
    if (!this.hardwareEnabled) return true
    const entry = this.lvt[LVT_LINT0 - LVT_TIMER]
    return !(entry & LVT_MASKED) && ((entry >> 8) & 7) === DELIVERY_EXTINT
  }

  private update(): void {
    const level = this.hasInterrupt()
    if (level === this.intrLevel) return
    this.intrLevel = level
    this.options.intr(level)
  }

  private endOfInterrupt(): void {
    const vector = highest(this.isr)
    if (vector < 0) return
    const bit = 1 << (vector & 31)
    this.isr[vector >> 5] &= ~bit
    if (this.tmr[vector >> 5] & bit) {
      this.options.bus.endOfInterrupt(vector)
      if (this.lint0Level) this.requestAgain(LVT_LINT0, vector)
      if (this.lint1Level) this.requestAgain(LVT_LINT1, vector)
    }
    this.update()
  }

  /** A level-triggered pin that is still up after its EOI. */
  private requestAgain(register: number, vector: number): void {
    const entry = this.lvt[register - LVT_TIMER]
    if (entry & LVT_TRIGGER_LEVEL && (entry & 0xff) === vector) this.localInterrupt(register)
  }

  private error(bit: number): void {
    this.errors |= bit
    // An error entry with an illegal vector must not make errors of its own for ever.
    if ((this.lvt[LVT_ERROR - LVT_TIMER] & 0xff) >= 16) this.localInterrupt(LVT_ERROR)
  }

  private send(): void {
    const { bus } = this.options
    const vector = this.icrLow & 0xff
    const mode = (this.icrLow >> 8) & 7
    // Only INIT heeds the trigger mode; its "level de-assert" was for the arbitration ids of the 82489DX.
    const level = (this.icrLow & ICR_TRIGGER_LEVEL) !== 0 && mode === DELIVERY_INIT
    if (level && !(this.icrLow & ICR_LEVEL_ASSERT)) return
    if (vector < 16 && (mode === DELIVERY_FIXED || mode === DELIVERY_LOWEST_PRIORITY)) {
      this.error(ESR_SEND_ILLEGAL_VECTOR)
      return
    }
    switch ((this.icrLow >> 18) & 3) {
      case 0: {
        const x2apic = this.x2apicMode
        const destination = x2apic ? this.icrHigh : this.icrHigh >>> 24
        bus.deliver(destination, (this.icrLow & ICR_LOGICAL) !== 0, mode, vector, level, x2apic)
        break
      }
      case 1:
        this.accept(mode, vector, level)
        break
      case 2:
        bus.deliverToAll(mode, vector, level)
        break
      case 3:
        bus.deliverToAll(mode, vector, level, this)
        break
    }
  }

  // Registers ------------------------------------------------------------------------------------------------------

  private get hardwareEnabled(): boolean {
    return (this.baseLow & BASE_ENABLE) !== 0
  }

  private get x2apicMode(): boolean {
    return (this.baseLow & BASE_X2APIC) !== 0
  }

  private get x2apicLdr(): number {
    return (((this.id >>> 4) << 16) | (1 << (this.id & 0x0f))) >>> 0
  }

  /** In the page at FEE00000h. */
  readMmio(offset: number, size: number): number {
    if (!this.hardwareEnabled || this.x2apicMode) return size === 4 ? 0xffffffff : 2 ** (size * 8) - 1
    // Registers are 32 bits wide on 16-byte boundaries; the rest is reserved.
    if (offset & 0x0c) return 0
    const value = this.readRegister(offset >> 4)
    if (size === 4) return value
    return (value >>> ((offset & 3) * 8)) & (size === 1 ? 0xff : 0xffff)
  }

  writeMmio(offset: number, value: number, size: number): void {
    if (!this.hardwareEnabled || this.x2apicMode) return
    if (size !== 4 || offset & 0x0f) {
      this.options.warn?.('local APIC: write that is not an aligned dword', offset)
      return
    }
    this.writeRegister(offset >> 4, value >>> 0)
  }

  private readRegister(register: number): number {
    if (register >= ISR && register < ESR) {
      const bits = register < TMR ? this.isr : register < IRR ? this.tmr : this.irr
      return bits[register & 7]
    }
    switch (register) {
      case ID:
        return this.x2apicMode ? this.id : (this.id << 24) >>> 0
      case VERSION:
        return VERSION_VALUE
      case TPR:
        return this.tpr
      case PPR:
        return this.processorPriority
      case LDR:
        return this.x2apicMode ? this.x2apicLdr : (this.ldr << 24) >>> 0
      case DFR:
        return ((this.dfr << 28) | 0x0fffffff) >>> 0
      case SVR:
        return this.svr
      case ESR:
        return this.esr
      case ICR_LOW:
        return this.icrLow
      case ICR_HIGH:
        return this.icrHigh
      case TIMER_INITIAL:
        return this.timer.initial
      case TIMER_CURRENT:
        return this.timer.current
      case TIMER_DIVIDE:
        return this.timer.divideConfiguration
      case APR:
      case EOI:
      case REMOTE_READ:
        return 0
      default:
        if (register >= LVT_TIMER && register <= LVT_ERROR) return this.lvt[register - LVT_TIMER]
        this.illegal(register)
        return 0
    }
  }

  private writeRegister(register: number, value: number): void {
    switch (register) {
      case ID:
        this.id = value >>> 24
        break
      case TPR:
        this.tpr = value & 0xff
        this.update()
        break
      case EOI:
        this.endOfInterrupt()
        break
      case LDR:
        this.ldr = value >>> 24
        break
      case DFR:
        this.dfr = value >>> 28
        break
      case SVR:
        this.svr = value & SVR_MASK
        if (!(value & SVR_ENABLE)) for (let r = LVT_TIMER; r <= LVT_ERROR; r++) this.setLvt(r, this.lvt[r - LVT_TIMER])
        this.update()
        break
      case ESR:
        this.esr = this.errors
        this.errors = 0
        break
      case ICR_LOW:
        this.icrLow = value & ICR_MASK
        this.send()
        break
      case ICR_HIGH:
        this.icrHigh = value
        break
      case TIMER_INITIAL:
        this.timer.initial = value
        break
      case TIMER_DIVIDE:
        this.timer.divideConfiguration = value
        break
      case APR:
      case VERSION:
      case PPR:
      case REMOTE_READ:
      case TIMER_CURRENT:
        // Read-only.
        break
      default:
        if (register >= LVT_TIMER && register <= LVT_ERROR) this.setLvt(register, value)
        else if (register < ISR || register >= ESR) this.illegal(register)
    }
  }

  private setLvt(register: number, value: number): void {
    const index = register - LVT_TIMER
    // The mask bit sticks while software has the APIC disabled.
    this.lvt[index] = (value & LVT_MASK[index]) | (this.svr & SVR_ENABLE ? 0 : LVT_MASKED)
    const entry = this.lvt[index]
    if (register === LVT_TIMER) this.timer.configure((entry >> 17) & 3, (entry & LVT_MASKED) !== 0)
    this.update()
  }

  private illegal(register: number): void {
    this.options.warn?.('local APIC: register', register << 4)
    this.error(ESR_ILLEGAL_REGISTER)
  }

  // MSRs -----------------------------------------------------------------------------------------------------------

  /** IA32_APIC_BASE, IA32_TSC_DEADLINE, 800h to 8FFh; undefined is #GP. */
  readMsr(index: number): bigint | undefined {
    if (index === IA32_APIC_BASE) return (BigInt(this.baseHigh) << 32n) | BigInt(this.baseLow)
    if (index === IA32_TSC_DEADLINE) return this.timer.deadline
    if (!this.x2apicMode || index < X2APIC_FIRST || index > X2APIC_LAST) return undefined
    const register = index - X2APIC_FIRST
    switch (register) {
      case ICR_LOW:
        return (BigInt(this.icrHigh) << 32n) | BigInt(this.icrLow)
      case APR:
      case EOI:
      case REMOTE_READ:
      case DFR:
      case ICR_HIGH:
      case SELF_IPI:
        return undefined
    }
    return this.hasMsr(register) ? BigInt(this.readRegister(register)) : undefined
  }

  /** False is #GP. */
  writeMsr(index: number, value: bigint): boolean {
    if (index === IA32_APIC_BASE) return this.writeBase(value)
    if (index === IA32_TSC_DEADLINE) {
      this.timer.deadline = value
      return true
    }
    if (index === IA32_TIME_STAMP_COUNTER) {
      this.timer.tscChanged()
      return true
    }
    if (!this.x2apicMode || index < X2APIC_FIRST || index > X2APIC_LAST) return false
    const register = index - X2APIC_FIRST
    const low = Number(value & 0xffffffffn)
    if (register === ICR_LOW) {
      if (low & ~ICR_MASK) return false
      this.icrHigh = Number(value >> 32n)
      this.writeRegister(ICR_LOW, low)
      return true
    }
    if (value >> 32n !== 0n) return false
    switch (register) {
      case SELF_IPI:
        if (low & ~0xff) return false
        if (low < 16) this.error(ESR_SEND_ILLEGAL_VECTOR)
        else this.accept(DELIVERY_FIXED, low, false)
        return true
      case EOI:
      case ESR:
        if (low !== 0) return false
        break
      case TPR:
        if (low & ~0xff) return false
        break
      case SVR:
      case TIMER_INITIAL:
      case TIMER_DIVIDE:
        break
      default:
        if (register < LVT_TIMER || register > LVT_ERROR) return false
    }
    this.writeRegister(register, low)
    return true
  }

  private hasMsr(register: number): boolean {
    if (register >= ISR && register < ESR) return true
    if (register >= LVT_TIMER && register <= TIMER_CURRENT) return true
    if (register === ID || register === VERSION || register === TPR || register === PPR) return true
    return register === LDR || register === SVR || register === ESR || register === TIMER_DIVIDE
  }

  /** SDM 11.12.5: xAPIC and x2APIC meet only in the disabled state, and x2APIC is left only through it. */
  private writeBase(value: bigint): boolean {
    const low = Number(value & 0xffffffffn)
    const enable = (low & BASE_ENABLE) !== 0
    const x2apic = (low & BASE_X2APIC) !== 0
    if (low & BASE_RESERVED_LOW || value >> 36n !== 0n) return false
    if (x2apic && (!enable || this.options.x2apic === false)) return false
    if (x2apic && !this.hardwareEnabled) return false
    if (enable && !x2apic && this.x2apicMode) return false
    const had = this.hardwareEnabled
    this.baseLow = low
    this.baseHigh = Number(value >> 32n)
    if (this.address !== BASE_ADDRESS) this.options.warn?.('local APIC moved; its registers stay at FEE00000h', low)
    // Software may lose what it had set up when it switches the APIC off (Intel SDM vol. 3, 11.4.3): only the id is.
    if (enable && !had) this.id = this.options.id
    // The x2APIC's id is the initial one, whatever the guest wrote to the xAPIC's.
    if (x2apic) this.id = this.options.id
    this.update()
    return true
  }

  /** Physical address of the registers as IA32_APIC_BASE says. */
  get address(): number {
    return this.baseHigh * 2 ** 32 + ((this.baseLow & 0xfffff000) >>> 0)
  }

  // Reset ----------------------------------------------------------------------------------------------------------

  /** What INIT does: all but the id and IA32_APIC_BASE. */
  init(): void {
    resetState(this)
    if (this.bootstrap) this.lvt[LVT_LINT0 - LVT_TIMER] = DELIVERY_EXTINT << 8
    this.timer.reset()
    this.update()
  }

  private powerOn(): void {
    this.id = this.options.id
    this.baseLow = (BASE_ADDRESS | BASE_ENABLE | (this.bootstrap ? BASE_BSP : 0)) >>> 0
    this.baseHigh = 0
    this.init()
  }

  reset(): void {
    this.powerOn()
  }

  loaded(): void {
    this.options.intr(this.intrLevel)
  }
}
