/**
 * The pair of 8259A interrupt controllers of an AT, with the edge/level control registers of the PIIX3.
 *
 * Intel 8259A data sheet (231468); ELCR: 82371SB data sheet, section 2.5.3.6. In edge mode a request stays latched
 * when its line falls before INTA, as QEMU and KVM have it; so the spurious IRQ 7 and 15 come from level-triggered
 * lines that fall early and from requests that are masked between INTR and INTA.
 */
import type { Device, IrqLine, PortRange, StateTable, Warn } from '../device.js'
import { flag, integer, u8 } from '../state/fields.js'
import { part } from '../state/state-table.js'

const ICW1 = 0x10
const ICW1_IC4 = 0x01
const ICW1_SNGL = 0x02
const ICW4_AEOI = 0x02
const ICW4_SFNM = 0x10
const OCW3 = 0x08
const OCW3_RIS = 0x01
const OCW3_RR = 0x02
const OCW3_POLL = 0x04
const OCW3_SMM = 0x20
const OCW3_ESMM = 0x40

/** Bits of OCW2 7:5. */
const OCW2_ROTATE_AEOI_CLEAR = 0
const OCW2_EOI = 1
const OCW2_SPECIFIC_EOI = 3
const OCW2_ROTATE_AEOI_SET = 4
const OCW2_ROTATE_EOI = 5
const OCW2_SET_PRIORITY = 6
const OCW2_ROTATE_SPECIFIC_EOI = 7

/** The master's input that the slave's INT drives. */
const CASCADE = 2
const NONE = -1

/** What the next write to the odd port is. */
const EXPECT_OCW1 = 0
const EXPECT_ICW2 = 1
const EXPECT_ICW3 = 2
const EXPECT_ICW4 = 3

const CHIP: StateTable = {
  ...{ irr: u8, isr: u8, imr: u8, lines: u8, elcr: u8, vectorBase: u8, int: flag },
  ...{ expect: integer(EXPECT_OCW1, EXPECT_ICW4), icw1: u8, highest: integer(0, 7) },
  ...{ readIsr: flag, poll: flag, specialMask: flag, specialFullyNested: flag, autoEoi: flag, rotateOnAutoEoi: flag },
}

/** One 8259A. Bit n of a mask is input IRn. */
class I8259 {
  readonly state = CHIP
  irr = 0
  isr = 0
  imr = 0
  /** Levels on the inputs. */
  lines = 0
  /** Edge/level control: 1 is level-triggered. */
  elcr = 0
  /** ICW2: the vector of IR0. */
  vectorBase = 0
  /** The INT pin. */
  int = false
  private expect = EXPECT_OCW1
  private icw1 = 0
  /** The input with the highest priority. */
  private highest = 0
  private readIsr = false
  private poll = false
  private specialMask = false
  specialFullyNested = false
  private autoEoi = false
  private rotateOnAutoEoi = false

  constructor(
    private readonly master: boolean,
    private readonly output: IrqLine,
  ) {}

  setLine(input: number, level: boolean): void {
    const bit = 1 << input
    const rising = level && !(this.lines & bit)
    if (level) this.lines |= bit
    else this.lines &= ~bit
    if (this.elcr & bit) {
      if (level) this.irr |= bit
      else this.irr &= ~bit
    } else if (rising) this.irr |= bit
    this.update()
  }

  setElcr(value: number): void {
    this.elcr = value
    this.irr |= this.lines & value
    this.update()
  }

  /** The input that INT stands for, or NONE. */
  pending(): number {
    const request = this.rank(this.irr & ~this.imr)
    if (request === 8) return NONE
    let inService = this.isr
    if (this.specialMask) inService &= ~this.imr
    // So that the master lets the slave interrupt its own lower requests.
    if (this.specialFullyNested && this.master) inService &= ~(1 << CASCADE)
    return request < this.rank(inService) ? (request + this.highest) & 7 : NONE
  }

  /** INTA for `input`. INT falls for its length, so that a cascaded request makes a new edge. */
  acknowledge(input: number): void {
    const bit = 1 << input
    if (!(this.elcr & bit)) this.irr &= ~bit
    if (!this.autoEoi) this.isr |= bit
    else if (this.rotateOnAutoEoi) this.highest = (input + 1) & 7
    this.setInt(false)
    this.update()
  }

  read(odd: boolean): number {
    if (this.poll) {
      this.poll = false
      const input = this.pending()
      if (input === NONE) return 0
      this.acknowledge(input)
      return 0x80 | input
    }
    if (odd) return this.imr
    return this.readIsr ? this.isr : this.irr
  }

  write(odd: boolean, value: number): void {
    if (odd) this.writeOdd(value)
    else if (value & ICW1) this.initialize(value)
    else if (value & OCW3) this.writeOcw3(value)
    else this.writeOcw2(value)
    this.update()
  }

  private initialize(value: number): void {
    this.clear()
    this.icw1 = value
    this.expect = EXPECT_ICW2
  }

  private writeOdd(value: number): void {
    switch (this.expect) {
      case EXPECT_OCW1:
        this.imr = value
        break
      case EXPECT_ICW2:
        this.vectorBase = value & 0xf8
        if (!(this.icw1 & ICW1_SNGL)) this.expect = EXPECT_ICW3
        else this.expect = this.icw1 & ICW1_IC4 ? EXPECT_ICW4 : EXPECT_OCW1
        break
      case EXPECT_ICW3:
        // The cascade is wired to IR2 whatever the guest says.
        this.expect = this.icw1 & ICW1_IC4 ? EXPECT_ICW4 : EXPECT_OCW1
        break
      case EXPECT_ICW4:
        this.specialFullyNested = (value & ICW4_SFNM) !== 0
        this.autoEoi = (value & ICW4_AEOI) !== 0
        this.expect = EXPECT_OCW1
        break
    }
  }

  private writeOcw2(value: number): void {
    const level = value & 7
    switch (value >> 5) {
      case OCW2_ROTATE_AEOI_CLEAR:
        this.rotateOnAutoEoi = false
        break
      case OCW2_ROTATE_AEOI_SET:
        this.rotateOnAutoEoi = true
        break
      case OCW2_EOI:
      case OCW2_ROTATE_EOI: {
        // In special mask mode a non-specific EOI passes over masked levels.
        const rank = this.rank(this.specialMask ? this.isr & ~this.imr : this.isr)
        if (rank === 8) break
        const input = (rank + this.highest) & 7
        this.isr &= ~(1 << input)
        if (value >> 5 === OCW2_ROTATE_EOI) this.highest = (input + 1) & 7
        break
      }
      case OCW2_SPECIFIC_EOI:
        this.isr &= ~(1 << level)
        break
      case OCW2_SET_PRIORITY:
        this.highest = (level + 1) & 7
        break
      case OCW2_ROTATE_SPECIFIC_EOI:
        this.isr &= ~(1 << level)
        this.highest = (level + 1) & 7
        break
    }
  }

  private writeOcw3(value: number): void {
    if (value & OCW3_POLL) this.poll = true
    if (value & OCW3_RR) this.readIsr = (value & OCW3_RIS) !== 0
    if (value & OCW3_ESMM) this.specialMask = (value & OCW3_SMM) !== 0
  }

  /** Position of the most urgent bit, 0 first; 8 for none. */
  private rank(mask: number): number {
    if (mask === 0) return 8
    let rank = 0
    while (!(mask & (1 << ((rank + this.highest) & 7)))) rank++
    return rank
  }

  /** Inputs of these that could interrupt: not masked, and not held back by what is in service. */
  open(inputs: number): number {
    const inService = this.specialMask ? this.isr & ~this.imr : this.isr
    let found = 0
    for (let i = 0; i < 8; i++) {
      const bit = 1 << i
      if (inputs & bit & ~this.imr && this.rank(bit) < this.rank(inService)) found |= bit
    }
    return found
  }

  private update(): void {
    this.setInt(this.pending() !== NONE)
  }

  private setInt(level: boolean): void {
    if (level === this.int) return
    this.int = level
    this.output(level)
  }

  /** What ICW1 clears: edge sensing starts anew, so a line that is high must fall and rise to be seen. */
  private clear(): void {
    this.irr = this.lines & this.elcr
    this.isr = this.imr = 0
    this.vectorBase = 0
    this.icw1 = 0
    this.expect = EXPECT_OCW1
    this.highest = 0
    this.readIsr = this.poll = false
    this.specialMask = this.specialFullyNested = false
    this.autoEoi = this.rotateOnAutoEoi = false
  }

  reset(): void {
    this.elcr = 0
    this.clear()
    this.update()
  }
}

/** Inputs that may be level-triggered: not the timer, keyboard, cascade, RTC and coprocessor. */
const ELCR_MASTER = 0xf8
const ELCR_SLAVE = 0xde

export interface I8259Options {
  /** INTR, to LINT0 of the local APIC or to the CPU. */
  intr: IrqLine
  warn?: Warn
}

const PAIR: StateTable = { master: part(), slave: part() }

/** Of the master's inputs all but the slave's. */
const NOT_CASCADE = ~(1 << CASCADE) & 0xff

export class I8259Pair implements Device {
  readonly name = 'isa-i8259'
  readonly state = PAIR
  readonly ports: readonly PortRange[]
  private readonly master: I8259
  private readonly slave: I8259
  private readonly lines: IrqLine[]
  private readonly intr: IrqLine

  constructor(options: I8259Options) {
    this.intr = options.intr
    const master = new I8259(true, options.intr)
    const slave = new I8259(false, (level) => master.setLine(CASCADE, level))
    this.master = master
    this.slave = slave
    this.lines = Array.from({ length: 16 }, (_, irq): IrqLine => {
      // The pin of the AT's IRQ 2 is the slave's IR1 (IRQ 9).
      if (irq === CASCADE) return (level) => slave.setLine(1, level)
      const chip = irq < 8 ? master : slave
      return (level) => chip.setLine(irq & 7, level)
    })
    this.ports = [
      {
        name: '8259 master',
        base: 0x20,
        count: 2,
        read: (offset) => master.read(offset === 1),
        write: (offset, value) => master.write(offset === 1, value),
      },
      {
        name: '8259 slave',
        base: 0xa0,
        count: 2,
        read: (offset) => slave.read(offset === 1),
        write: (offset, value) => slave.write(offset === 1, value),
      },
      {
        name: 'ELCR',
        base: 0x4d0,
        count: 2,
        read: (offset) => (offset ? slave.elcr : master.elcr),
        write: (offset, value) => {
          if (offset) slave.setElcr(value & ELCR_SLAVE)
          else master.setElcr(value & ELCR_MASTER)
        },
      },
    ]
  }

  /** Why no input can interrupt any more, in words; undefined where one can. */
  get silence(): string | undefined {
    const { master, slave } = this
    if (master.open(NOT_CASCADE) || (slave.open(0xff) && (master.open(0xff) || master.specialFullyNested)))
      return undefined
    const masked = (master.imr & NOT_CASCADE) === NOT_CASCADE && (slave.imr === 0xff || master.imr === 0xff)
    const served = master.isr || slave.isr
    if (masked || !served) return 'the 8259s mask all of theirs'
    const irq = master.isr & NOT_CASCADE ? first(master.isr & NOT_CASCADE) : 8 + first(slave.isr)
    return `IRQ ${irq} is in service at the 8259, whose handler sent no end of interrupt (EOI), and holds the others back`
  }

  /** The input of ISA interrupt 0 to 15; one function for the machine's life. */
  line(irq: number): IrqLine {
    return this.lines[irq]
  }

  /** The level of INTR. */
  get interrupt(): boolean {
    return this.master.int
  }

  /** The INTA cycle: the vector, that of IR7 when the request is gone. */
  acknowledge(): number {
    const { master, slave } = this
    const input = master.pending()
    if (input === NONE) {
      // INTR may be held by nothing but the caller's haste; a real chip answers IR7 without touching ISR.
      return master.vectorBase + 7
    }
    master.acknowledge(input)
    if (input !== CASCADE) return master.vectorBase + input
    const behind = slave.pending()
    if (behind === NONE) return slave.vectorBase + 7
    slave.acknowledge(behind)
    return slave.vectorBase + behind
  }

  reset(): void {
    this.slave.reset()
    this.master.reset()
    this.intr(this.master.int)
  }

  loaded(): void {
    this.intr(this.master.int)
  }
}

const first = (bits: number) => 31 - Math.clz32(bits & -bits)
