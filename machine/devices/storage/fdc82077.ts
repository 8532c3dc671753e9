/**
 * Intel 82077AA floppy disk controller as a PC/AT has it: ports 3F0h-3F5h and 3F7h, IRQ 6, DMA channel 2.
 *
 * Data sheet Intel 290166, sections 2.1 (registers), 4 (reset), 5 (commands); fdc-transfer.ts holds the execution phase
 * of the data commands. Commands of the 82078 answer as invalid, but PART ID and VERSION say what QEMU's do, so that
 * guests take the path they take there. As in QEMU: interrupts are not gated by DOR.DMAGATE#, motors need not turn.
 * The file is longer than others, because it has every command of the controller but for the transfers.
 */

import type { DmaChannel } from '../../chipset/i8237.js'
import type { Clock, Timer } from '../../clock.js'
import type { AcpiDevice, Device, IrqLine, PortRange, StateTable, Warn } from '../../device.js'
import type { BlockDevice } from '../../media/block-device.js'
import { bytes, flag, integer, list, timer, u8 } from '../../state/fields.js'
import { part } from '../../state/state-table.js'
import { deviceType } from '../device-type.js'
import { floppyControllerAcpi } from './fdc-acpi.js'
import {
  COMMANDS,
  CONFIGURE,
  DUMPREG,
  LOCK,
  PART_ID,
  PART_ID_STEPPING_1,
  PERPENDICULAR,
  READ_ID,
  RECALIBRATE,
  RELATIVE,
  RELATIVE_IN,
  SEEK,
  SENSE_DRIVE_STATUS,
  SENSE_INTERRUPT,
  SPECIFY,
  VERSION,
  VERSION_ENHANCED,
} from './fdc-commands.js'
import { DONE, FdcTransfer, FORMAT_TRACK, ST0_ABNORMAL, ST0_SE, ST1_MA, WAIT_FOR_HOST } from './fdc-transfer.js'
import type { FloppyBus, FloppyDrive } from './floppy-drive.js'

// Registers, as offsets from 3F0h. The DIR and the CCR are a range of their own: 3F6h is the IDE controller's.
const SRA = 0
const SRB = 1
const DOR = 2
const TDR = 3
const MSR_DSR = 4
const FIFO = 5

const SRA_INT_PENDING = 0x80
const SRA_NO_DRV2 = 0x40
const SRA_NO_TRK0 = 0x10
const SRA_HDSEL = 0x08
const SRA_NO_WP = 0x02

const DOR_DRIVE = 0x03
const DOR_NOT_RESET = 0x04
const DOR_DMA_GATE = 0x08

const MSR_RQM = 0x80
const MSR_DIO = 0x40
const MSR_NON_DMA = 0x20
const MSR_CMD_BUSY = 0x10

const DSR_SW_RESET = 0x80
const DSR_POWER_DOWN = 0x40
const DSR_RATE = 0x03

const DIR_DSKCHG = 0x80

const ST0_EC = 0x10
const ST0_INVALID = 0x80
const ST0_READY_CHANGED = 0xc0

// CONFIGURE
const CONFIG_EIS = 0x40
/** FIFO disabled, polling enabled: the state after a reset. */
const CONFIG_DEFAULT = 0x20

const PHASE_COMMAND = 0
const PHASE_EXECUTION = 1
const PHASE_RESULT = 2

const RESET_NS = 20_000
const BEGIN_NS = 150_000
const READ_ID_NS = 1_000_000
const HOST_NS = 10_000
const STEP_NS = 20_000
const SETTLE_NS = 500_000
/** Step pulses of a RECALIBRATE before it gives up. */
const RECALIBRATE_STEPS = 80
const DRIVES = 4
const RESET_SENSES = 4

export interface Fdc82077Options {
  clock: Clock
  irq: IrqLine
  dma: DmaChannel
  warn: Warn
  /** Up to four; the place is the unit number. */
  drives: (FloppyDrive | undefined)[]
}
const STATE: StateTable = {
  ...Object.fromEntries(
    'dor dsr tdr stepRateUnload headLoad config precompensation perpendicular'.split(' ').map((name) => [name, u8]),
  ),
  phase: integer(PHASE_COMMAND, PHASE_RESULT),
  hostTurn: flag,
  position: integer(0, 16),
  length: integer(0, 16),
  interrupt: flag,
  resetting: flag,
  resetSenses: integer(0, DRIVES),
  deferred: flag,
  nonDma: flag,
  locked: flag,
  lastSector: u8,
  fifo: bytes(16),
  seekStatus: list(integer(-1, 255), DRIVES),
  seekTarget: bytes(DRIVES),
  pendingSeek: bytes(DRIVES),
  transfer: part(),
  workTimer: timer,
  seekTimers: list(timer, DRIVES),
  drives: list(part('floppy drives'), DRIVES),
}

export class Fdc82077 implements Device {
  readonly name = 'isa-fdc'
  readonly state = STATE
  readonly ports: readonly PortRange[]
  readonly drives: readonly (FloppyDrive | undefined)[]

  private dor = 0
  private dsr = 0
  private tdr = 0
  private phase = PHASE_COMMAND
  /** RQM and NON DMA of the execution phase. */
  private hostTurn = false
  /** Command bytes, then result bytes. */
  private readonly fifo = new Uint8Array(16)
  private position = 0
  private length = 0
  private interrupt = false
  /** Set from reset until the interrupt that announces its end. */
  private resetting = false
  /** SENSE INTERRUPTs that the reset still has to answer. */
  private resetSenses = 0
  /** ST0 of a SEEK or RECALIBRATE that is over, for SENSE INTERRUPT; -1 none. */
  private readonly seekStatus = new Int16Array(DRIVES).fill(-1)
  private readonly seekTarget = new Uint8Array(DRIVES)
  /** ST0 that a running seek will end with. */
  private readonly pendingSeek = new Uint8Array(DRIVES)
  /** A seek ended whose interrupt has to wait until the present command's result is read. */
  private deferred = false
  /** The parameters of SPECIFY, CONFIGURE, PERPENDICULAR and LOCK. */
  private stepRateUnload = 0
  private headLoad = 0
  private nonDma = false
  private config = CONFIG_DEFAULT
  private precompensation = 0
  private perpendicular = 0
  private locked = false
  /** EOT or SC of the last data command, for DUMPREG. */
  private lastSector = 0

  private readonly transfer: FdcTransfer
  private readonly workTimer: Timer
  private readonly seekTimers: readonly Timer[]

  constructor(private readonly options: Fdc82077Options) {
    this.drives = Array.from({ length: DRIVES }, (_, unit) => options.drives[unit])
    this.transfer = new FdcTransfer(options.dma, options.warn)
    this.workTimer = options.clock.timer('fdc', () => this.work())
    this.seekTimers = this.drives.map((_, unit) => options.clock.timer(`fdc-seek${unit}`, () => this.seekDone(unit)))
    this.ports = [
      {
        name: 'floppy controller',
        base: 0x3f0,
        count: 6,
        read: (offset) => this.readRegister(offset),
        write: (offset, value) => this.writeRegister(offset, value),
      },
      {
        name: 'floppy DIR/CCR',
        base: 0x3f7,
        count: 1,
        read: () => this.readDir(),
        write: (_, value) => {
          this.dsr = (this.dsr & ~DSR_RATE) | (value & DSR_RATE)
        },
      },
    ]
    this.reset()
  }

  /** Puts a medium into drive `unit`; the guest sees the disk-change line. Throws an `Error` when it does not fit. */
  insert(unit: number, medium: BlockDevice): void {
    const drive = this.drives[unit]
    if (!drive) throw new Error(`this machine has no floppy drive ${unit}`)
    drive.insert(medium)
  }

  /** Takes the medium out of drive `unit` and returns it. */
  eject(unit: number): BlockDevice | undefined {
    return this.drives[unit]?.eject()
  }

  /** Hardware reset: the controller comes up enabled, as if the firmware had left the reset state already. */
  reset(): void {
    this.stop()
    this.locked = false
    this.dor = DOR_NOT_RESET | DOR_DMA_GATE
    this.dsr = this.tdr = 0
    this.stepRateUnload = this.headLoad = 0
    this.nonDma = false
    this.perpendicular = 0
    this.config = CONFIG_DEFAULT
    this.precompensation = 0
  }

  private readRegister(offset: number): number {
    switch (offset) {
      case SRA:
        return this.readSra()
      case SRB:
        return 0xc0 | ((this.dor & 1) << 5) | ((this.dor >> 4) & 0x03)
      case DOR:
        return this.dor
      case TDR:
        return this.tdr
      case MSR_DSR:
        return this.readMsr()
      case FIFO:
        return this.readFifo()
      default:
        return 0xff
    }
  }

  private writeRegister(offset: number, value: number): void {
    switch (offset) {
      case DOR:
        this.writeDor(value)
        break
      case TDR:
        this.tdr = value & 0x03
        break
      case MSR_DSR:
        this.writeDsr(value)
        break
      case FIFO:
        this.writeFifo(value)
        break
      default:
        this.options.warn('write to a read-only 82077 register', 0x3f0 + offset)
    }
  }

  private readSra(): number {
    const drive = this.drives[this.dor & DOR_DRIVE]
    return (
      (this.interrupt ? SRA_INT_PENDING : 0) |
      (this.drives[1] ? 0 : SRA_NO_DRV2) |
      (drive && drive.track === 0 ? 0 : SRA_NO_TRK0) |
      (this.transfer.side ? SRA_HDSEL : 0) |
      (drive?.writeProtected ? 0 : SRA_NO_WP)
    )
  }

  private readMsr(): number {
    this.dsr &= ~DSR_POWER_DOWN
    if (this.resetting || (this.dor & DOR_NOT_RESET) === 0) return 0
    let value = 0
    for (let unit = 0; unit < DRIVES; unit++) {
      if (this.seekTimers[unit].deadline !== Number.POSITIVE_INFINITY) value |= 1 << unit
    }
    switch (this.phase) {
      case PHASE_COMMAND:
        return value | MSR_RQM | (this.position > 0 ? MSR_CMD_BUSY : 0)
      case PHASE_RESULT:
        return value | MSR_RQM | MSR_DIO | MSR_CMD_BUSY
    }
    value |= MSR_CMD_BUSY
    if (!this.nonDmaMode) return value
    value |= MSR_NON_DMA
    if (this.hostTurn) value |= MSR_RQM
    return this.transfer.toHost ? value | MSR_DIO : value
  }

  private readDir(): number {
    return this.drives[this.dor & DOR_DRIVE]?.changed ? DIR_DSKCHG : 0
  }

  private get nonDmaMode(): boolean {
    return this.nonDma || (this.dor & DOR_DMA_GATE) === 0
  }

  private writeDor(value: number): void {
    const before = this.dor
    this.dor = value
    if ((value & DOR_NOT_RESET) === 0) this.stop()
    else if ((before & DOR_NOT_RESET) === 0) this.leaveReset()
  }

  private writeDsr(value: number): void {
    if ((this.dor & DOR_NOT_RESET) === 0) return
    this.dsr = value & ~DSR_SW_RESET
    if (value & DSR_SW_RESET) {
      this.stop()
      this.leaveReset()
    }
  }

  /** Ends whatever goes on, as both kinds of reset do. */
  private stop(): void {
    this.workTimer.cancel()
    for (const timer of this.seekTimers) timer.cancel()
    this.setInterrupt(false)
    this.phase = PHASE_COMMAND
    this.position = this.length = 0
    this.hostTurn = false
    this.resetting = false
    this.resetSenses = 0
    this.seekStatus.fill(-1)
    this.deferred = false
    // The controller forgets where the heads are; drivers recalibrate, and QEMU's drives come back to cylinder 0.
    for (const drive of this.drives) if (drive) drive.track = 0
    this.perpendicular &= 0x3c
    if (this.locked) return
    this.config = (this.config & ~0x2f) | (CONFIG_DEFAULT & 0x2f)
    this.precompensation = 0
  }

  private leaveReset(): void {
    this.resetting = true
    this.workTimer.at(this.options.clock.now() + RESET_NS)
  }

  private setInterrupt(level: boolean): void {
    if (this.interrupt === level) return
    this.interrupt = level
    this.options.irq(level)
  }

  private raiseInterrupt(): void {
    this.resetSenses = 0
    this.setInterrupt(true)
  }

  private writeFifo(value: number): void {
    this.dsr &= ~DSR_POWER_DOWN
    if (this.resetting || (this.dor & DOR_NOT_RESET) === 0) return
    if (this.phase === PHASE_EXECUTION) {
      if (!this.hostTurn || this.transfer.toHost) return
      this.transfer.hostWrite(value)
      this.endHostTurn()
      return
    }
    if (this.phase === PHASE_RESULT) return
    if (this.position === 0) {
      const command = COMMANDS[value & 0x1f]
      // RELATIVE SEEK is SEEK with bit 7; bit 6 is its direction and means nothing without it.
      if (!command || value & command.mask & ~0x1f || value === (SEEK | RELATIVE_IN)) {
        this.options.warn('82077 command that does not exist', value)
        this.fifo[0] = ST0_INVALID
        this.enterResult(1)
        return
      }
      this.length = 1 + command.parameters
    }
    this.fifo[this.position++] = value
    if (this.position === this.length) this.execute()
  }

  private readFifo(): number {
    this.dsr &= ~DSR_POWER_DOWN
    if (this.phase === PHASE_EXECUTION) {
      if (!this.hostTurn || !this.transfer.toHost) return 0
      const value = this.transfer.hostRead()
      this.endHostTurn()
      return value
    }
    if (this.phase !== PHASE_RESULT) return 0
    this.setInterrupt(false)
    const value = this.fifo[this.position++]
    if (this.position === this.length) {
      this.enterCommand()
      if (this.deferred) this.raiseInterrupt()
      this.deferred = false
    }
    return value
  }

  /** Non-DMA mode: after the sector's last byte the controller goes on by itself. */
  private endHostTurn(): void {
    if (!this.transfer.hostDone) return
    this.hostTurn = false
    this.setInterrupt(false)
    this.workTimer.at(this.options.clock.now() + HOST_NS)
  }

  private enterCommand(): void {
    this.phase = PHASE_COMMAND
    this.position = this.length = 0
  }

  private enterExecution(delay: number): void {
    this.phase = PHASE_EXECUTION
    // Of a seek that nobody sensed: the interrupt of this command must be an edge.
    this.setInterrupt(false)
    this.workTimer.at(this.options.clock.now() + delay)
  }

  private enterResult(length: number): void {
    this.phase = PHASE_RESULT
    this.position = 0
    this.length = length
  }

  private execute(): void {
    const fifo = this.fifo
    switch (fifo[0] & 0x1f) {
      case SPECIFY:
        this.stepRateUnload = fifo[1]
        this.headLoad = fifo[2] >> 1
        this.nonDma = (fifo[2] & 1) !== 0
        this.enterCommand()
        break
      case SENSE_DRIVE_STATUS:
        this.senseDriveStatus()
        break
      case RECALIBRATE:
        this.seek(fifo[1] & DOR_DRIVE, 0, true)
        break
      case SEEK:
        this.executeSeek()
        break
      case SENSE_INTERRUPT:
        this.senseInterrupt()
        break
      case DUMPREG:
        this.dumpRegisters()
        break
      case VERSION:
        fifo[0] = VERSION_ENHANCED
        this.enterResult(1)
        break
      case PART_ID:
        fifo[0] = PART_ID_STEPPING_1
        this.enterResult(1)
        break
      case PERPENDICULAR:
        // Without OW only GAP and WGATE change.
        this.perpendicular = fifo[1] & 0x80 ? fifo[1] & 0x3f : (this.perpendicular & 0x3c) | (fifo[1] & 0x03)
        this.enterCommand()
        break
      case CONFIGURE:
        this.config = fifo[2] & 0x7f
        this.precompensation = fifo[3]
        this.enterCommand()
        break
      case LOCK:
        this.locked = (fifo[0] & 0x80) !== 0
        fifo[0] = this.locked ? 0x10 : 0
        this.enterResult(1)
        break
      case READ_ID:
        this.transfer.opcode = READ_ID
        this.transfer.side = (fifo[1] >> 2) & 1
        this.enterExecution(READ_ID_NS)
        break
      default:
        this.lastSector = (fifo[0] & 0x1f) === FORMAT_TRACK ? fifo[3] : fifo[6]
        this.transfer.start(fifo, this.nonDmaMode)
        this.enterExecution(BEGIN_NS)
    }
  }

  private senseDriveStatus(): void {
    const unit = this.fifo[1] & DOR_DRIVE
    const drive = this.drives[unit]
    // Bits 5 and 3 are always set.
    let st3 = 0x28 | (this.fifo[1] & 0x07)
    if (drive && drive.track === 0) st3 |= 0x10
    if (drive?.writeProtected) st3 |= 0x40
    this.fifo[0] = st3
    this.enterResult(1)
  }

  private executeSeek(): void {
    const unit = this.fifo[1] & DOR_DRIVE
    const amount = this.fifo[2]
    const from = this.drives[unit]?.track ?? 0
    if ((this.fifo[0] & RELATIVE) === 0) this.seek(unit, amount, false)
    else if (this.fifo[0] & RELATIVE_IN) this.seek(unit, Math.min(255, from + amount), false)
    else this.seek(unit, Math.max(0, from - amount), false)
  }

  /** Starts the heads of a drive; SENSE INTERRUPT tells how it went. Other drives' seeks go on meanwhile. */
  private seek(unit: number, target: number, recalibrate: boolean): void {
    const drive = this.drives[unit]
    const head = recalibrate ? 0 : this.fifo[1] & 0x04
    this.seekTarget[unit] = target
    // Without a drive the track-0 signal never comes; a plain seek has no feedback.
    this.seekStatus[unit] = -1
    const steps = drive ? Math.abs(drive.track - target) : RECALIBRATE_STEPS
    this.pendingSeek[unit] = ST0_SE | head | unit | (recalibrate && !drive ? ST0_ABNORMAL | ST0_EC : 0)
    this.seekTimers[unit].at(this.options.clock.now() + SETTLE_NS + steps * STEP_NS)
    this.enterCommand()
  }

  private seekDone(unit: number): void {
    this.drives[unit]?.stepTo(this.seekTarget[unit])
    this.seekStatus[unit] = this.pendingSeek[unit]
    if (this.phase === PHASE_COMMAND) this.raiseInterrupt()
    else this.deferred = true
  }

  private senseInterrupt(): void {
    const fifo = this.fifo
    let unit = -1
    if (this.resetSenses > 0) {
      unit = RESET_SENSES - this.resetSenses--
      fifo[0] = ST0_READY_CHANGED | unit
    } else {
      unit = this.seekStatus.findIndex((status) => status >= 0)
      if (unit < 0) {
        fifo[0] = ST0_INVALID
        this.enterResult(1)
        return
      }
      fifo[0] = this.seekStatus[unit]
      this.seekStatus[unit] = -1
      this.deferred = this.seekStatus.some((status) => status >= 0)
    }
    fifo[1] = this.drives[unit]?.track ?? this.seekTarget[unit]
    this.setInterrupt(false)
    this.enterResult(2)
  }

  private dumpRegisters(): void {
    const fifo = this.fifo
    for (let unit = 0; unit < DRIVES; unit++) fifo[unit] = this.drives[unit]?.track ?? 0
    fifo[4] = this.stepRateUnload
    fifo[5] = (this.headLoad << 1) | (this.nonDma ? 1 : 0)
    fifo[6] = this.lastSector
    fifo[7] = (this.locked ? 0x80 : 0) | this.perpendicular
    fifo[8] = this.config
    fifo[9] = this.precompensation
    this.enterResult(10)
  }

  /** The work timer: the end of a reset, or the next step of the command in its execution phase. */
  private work(): void {
    if (this.resetting) {
      this.resetting = false
      this.raiseInterrupt()
      this.resetSenses = RESET_SENSES
      return
    }
    const drive = this.drives[this.fifo[1] & DOR_DRIVE]
    if (this.transfer.opcode === READ_ID) {
      this.readId(drive)
      return
    }
    const delay = this.transfer.step(drive, this.dsr & DSR_RATE, (this.config & CONFIG_EIS) !== 0)
    if (delay === DONE) {
      const { st0, st1, st2, c, h, r, n, side } = this.transfer
      this.finish(st0 | (side << 2), st1, st2, c, h, r, n)
    } else if (delay === WAIT_FOR_HOST) {
      this.hostTurn = true
      this.raiseInterrupt()
    } else {
      this.workTimer.at(this.options.clock.now() + delay)
    }
  }

  /** The next sector ID that comes under the head. */
  private readId(drive: FloppyDrive | undefined): void {
    const geometry = drive?.geometry
    const side = this.transfer.side
    if (!drive || !geometry) {
      this.finish(ST0_ABNORMAL | (side << 2), ST1_MA, 0, 0, side, 0, 0)
      return
    }
    const readable = drive.readableAt(this.dsr & DSR_RATE) && drive.track < geometry.cylinders && side < geometry.heads
    if (readable) drive.sector = (drive.sector % geometry.sectorsPerTrack) + 1
    this.finish(
      (readable ? 0 : ST0_ABNORMAL) | (side << 2),
      readable ? 0 : ST1_MA,
      0,
      drive.track,
      side,
      drive.sector,
      2,
    )
  }

  private finish(st0: number, st1: number, st2: number, c: number, h: number, r: number, n: number): void {
    const fifo = this.fifo
    fifo[0] = st0 | (fifo[1] & DOR_DRIVE)
    fifo[1] = st1
    fifo[2] = st2
    fifo[3] = c
    fifo[4] = h
    fifo[5] = r
    fifo[6] = n
    this.hostTurn = false
    this.enterResult(7)
    this.raiseInterrupt()
  }

  acpi(): readonly AcpiDevice[] {
    return floppyControllerAcpi(this.drives.map((drive) => drive?.type))
  }

  loaded(): void {
    this.options.irq(this.interrupt)
  }
}

export const isaFdc = deviceType({
  type: 'isa-fdc',
  title: 'floppy disk controller, an 82077AA',
  category: 'Storage',
  bus: 'isa',
  options: () => ({}),
  create: (slot) =>
    new Fdc82077({
      clock: slot.clock,
      irq: slot.irq('irq', 6),
      dma: slot.dma(2),
      warn: slot.warn,
      drives: [...slot.bus<FloppyBus>('floppy').drives],
    }),
})
