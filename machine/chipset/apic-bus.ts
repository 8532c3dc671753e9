/**
 * What carries interrupt messages between local APICs, I/O APICs and MSI-capable devices (the APIC bus, or the system
 * bus since the Pentium 4).
 *
 * Intel SDM volume 3, sections 11.6.2 "Determining IPI Destination" and 11.11 "Message Signalled Interrupts".
 */

/** Delivery modes as the ICR, the LVTs, the I/O APIC and MSI data encode them. */
export const DELIVERY_FIXED = 0
export const DELIVERY_LOWEST_PRIORITY = 1
export const DELIVERY_SMI = 2
export const DELIVERY_NMI = 4
export const DELIVERY_INIT = 5
export const DELIVERY_STARTUP = 6
export const DELIVERY_EXTINT = 7

/** A local APIC as the bus sees it. */
export interface ApicTarget {
  matches(destination: number, logical: boolean): boolean
  /** Takes a message; `level` is the trigger mode. */
  accept(mode: number, vector: number, level: boolean): void
  /** Whether a lowest-priority message may go here: enabled by hardware and software. */
  readonly enabled: boolean
  /** Lower wins a lowest-priority message. */
  readonly processorPriority: number
}

/** An I/O APIC as the bus sees it. */
export interface EoiTarget {
  endOfInterrupt(vector: number): void
}

/** To everyone, in messages with eight-bit destinations. */
const BROADCAST = 0xff
/** To everyone, in those of the x2APIC. */
export const BROADCAST_X2APIC = 0xffffffff

export class ApicBus {
  private readonly targets: ApicTarget[] = []
  private readonly ioApics: EoiTarget[] = []

  /** Local APICs attach themselves, in the order of their CPUs. */
  attach(target: ApicTarget): void {
    this.targets.push(target)
  }

  attachIoApic(target: EoiTarget): void {
    this.ioApics.push(target)
  }

  /** Sends a message to a physical or logical destination of eight bits (xAPIC, I/O APIC, MSI) or 32 (x2APIC). */
  deliver(destination: number, logical: boolean, mode: number, vector: number, level: boolean, x2apic = false): void {
    const address = !x2apic && destination === BROADCAST ? BROADCAST_X2APIC : destination
    if (mode === DELIVERY_LOWEST_PRIORITY) {
      this.deliverLowest(address, logical, vector, level)
      return
    }
    for (const target of this.targets) if (target.matches(address, logical)) target.accept(mode, vector, level)
  }

  /** The shorthands "all including self" (no `except`) and "all excluding self". */
  deliverToAll(mode: number, vector: number, level: boolean, except?: ApicTarget): void {
    for (const target of this.targets) if (target !== except) target.accept(mode, vector, level)
  }

  /** An MSI: a write of `data` to FEExxxxxh. */
  message(address: number, data: number): void {
    const destination = (address >>> 12) & 0xff
    const logical = (address & 0x04) !== 0
    this.deliver(destination, logical, (data >> 8) & 7, data & 0xff, (data & 0x8000) !== 0)
  }

  /** The EOI of a level-triggered interrupt, which every I/O APIC hears. */
  endOfInterrupt(vector: number): void {
    for (const ioApic of this.ioApics) ioApic.endOfInterrupt(vector)
  }

  private deliverLowest(destination: number, logical: boolean, vector: number, level: boolean): void {
    let chosen: ApicTarget | undefined
    for (const target of this.targets) {
      if (!target.enabled || !target.matches(destination, logical)) continue
      if (!chosen || target.processorPriority < chosen.processorPriority) chosen = target
    }
    chosen?.accept(DELIVERY_LOWEST_PRIORITY, vector, level)
  }
}
