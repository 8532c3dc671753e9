/** An IDE controller on a bench: a clock turned by hand, 1 MiB of memory, and hands on the ports. */
import { expect } from 'vitest'
import { ManualClock } from '../../../../machine/clock.js'
import type { AccessSize, PhysicalMemory } from '../../../../machine/device.js'
import { Ide } from '../../../../machine/devices/storage/ide.js'
import type { IdeDrive } from '../../../../machine/devices/storage/ide-drive.js'

export const BSY = 0x80
export const DRDY = 0x40
export const DSC = 0x10
export const DRQ = 0x08
export const ERR = 0x01
/** Ready, nothing else to say. */
export const IDLE = DRDY | DSC

export class FlatMemory implements PhysicalMemory {
  readonly bytes = new Uint8Array(1 << 20)
  private readonly view = new DataView(this.bytes.buffer)

  read(address: number, into: Uint8Array): void {
    into.set(this.bytes.subarray(address, address + into.length))
  }
  write(address: number, from: Uint8Array): void {
    this.bytes.set(from, address)
  }
  read8 = (address: number) => this.view.getUint8(address)
  read16 = (address: number) => this.view.getUint16(address, true)
  read32 = (address: number) => this.view.getUint32(address, true)
  write8 = (address: number, value: number) => this.view.setUint8(address, value)
  write16 = (address: number, value: number) => this.view.setUint16(address, value, true)
  write32 = (address: number, value: number) => this.view.setUint32(address, value, true)
}

export class IdeBench {
  readonly clock = new ManualClock()
  readonly memory = new FlatMemory()
  readonly irq = [false, false]
  readonly warnings: string[] = []
  readonly ide: Ide

  constructor(drives: (IdeDrive | undefined)[]) {
    this.ide = new Ide({
      clock: this.clock,
      memory: this.memory,
      irq: [
        (level) => {
          this.irq[0] = level
        },
        (level) => {
          this.irq[1] = level
        },
      ],
      warn: (what) => this.warnings.push(what),
      drives,
    })
  }

  private range(port: number) {
    const range = this.ide.ports.find(({ base, count }) => port >= base && port < base + count)
    if (!range) throw new Error(`no port ${port.toString(16)}`)
    return range
  }

  in(port: number, size: AccessSize = 1): number {
    const range = this.range(port)
    return range.read(port - range.base, size)
  }

  out(port: number, value: number, size: AccessSize = 1): void {
    const range = this.range(port)
    range.write(port - range.base, value, size)
  }

  /** Registers 1 to 6 of the primary channel, then the command. */
  command(opcode: number, registers: { [register: number]: number } = {}, base = 0x1f0): void {
    for (const [register, value] of Object.entries(registers)) this.out(base + Number(register), value)
    this.out(base + 7, opcode)
  }

  /** Lets time pass until the channel's interrupt; the status as the interrupt handler reads it. */
  untilIrq(channel = 0, limit = 1e9): number {
    const end = this.clock.now() + limit
    while (!this.irq[channel] && this.clock.nextDeadline() <= end) {
      this.clock.advance(this.clock.nextDeadline() - this.clock.now())
    }
    expect(this.irq[channel]).toBe(true)
    const status = this.in(channel ? 0x177 : 0x1f7)
    expect(this.irq[channel]).toBe(false)
    return status
  }

  /** Lets time pass until the primary channel is not busy; its alternate status. */
  untilIdle(control = 0x3f6): number {
    while (this.in(control) & BSY && this.clock.nextDeadline() !== Number.POSITIVE_INFINITY) {
      this.clock.advance(this.clock.nextDeadline() - this.clock.now())
    }
    return this.in(control)
  }

  readData(bytes: number, base = 0x1f0): Uint8Array {
    const data = new Uint8Array(bytes)
    for (let i = 0; i < bytes; i += 2) {
      const word = this.in(base, 2)
      data[i] = word
      if (i + 1 < bytes) data[i + 1] = word >> 8
    }
    return data
  }

  writeData(data: Uint8Array, base = 0x1f0): void {
    for (let i = 0; i < data.length; i += 2) this.out(base, data[i] | (data[i + 1] << 8), 2)
  }

  /** A descriptor table at 0x1000 for regions [address, bytes]; 64 KiB is written as 0. */
  prepareDma(regions: [number, number][], channel = 0): void {
    regions.forEach(([address, bytes], i) => {
      this.memory.write32(0x1000 + 8 * i, address)
      this.memory.write32(0x1004 + 8 * i, (bytes & 0xffff) | (i === regions.length - 1 ? 0x80000000 : 0))
    })
    this.ide.busMaster.write(8 * channel + 4, 0x1000, 4)
    this.ide.busMaster.write(8 * channel + 2, 0x06, 1)
  }
}

export function words(data: Uint8Array): Uint16Array {
  return new Uint16Array(data.buffer, data.byteOffset, data.length >> 1)
}

/** Text of IDENTIFY words. */
export function identifyText(data: Uint8Array, word: number, length: number): string {
  let text = ''
  for (let i = 0; i < length; i++) text += String.fromCharCode(data[word * 2 + (i ^ 1)])
  return text.trimEnd()
}

/** Each sector filled with its number, the first byte its number's second byte. */
export function numberedSectors(sectors: number, size = 512): Uint8Array {
  const data = new Uint8Array(sectors * size)
  for (let lba = 0; lba < sectors; lba++) {
    data.fill(lba & 0xff, lba * size, (lba + 1) * size)
    data[lba * size] = lba >> 8
  }
  return data
}
