/** A VGA on a small bus that carries out the oracle's operations, and the scenes that both draw. */

import { ManualClock } from '../../../../machine/clock.js'
import type { AccessSize } from '../../../../machine/device.js'
import { Vga } from '../../../../machine/devices/display/vga.js'
import type { Op } from './qemu-oracle.js'

export class Bench {
  readonly clock = new ManualClock()
  readonly warnings: string[] = []
  readonly vram: Uint8Array
  readonly vga: Vga

  constructor(vramBytes = 16 << 20) {
    this.vram = new Uint8Array(vramBytes)
    this.vga = new Vga({ clock: this.clock, vram: this.vram, warn: (what) => this.warnings.push(what) })
  }

  in(port: number, size: AccessSize = 1): number {
    const range = this.vga.ports.find((r) => port >= r.base && port < r.base + r.count)
    if (!range) return 0xff
    const offset = port - range.base
    if (size <= (range.width ?? 1) && offset + size <= range.count) return range.read(offset, size)
    return this.in(port) | (this.in(port + 1) << 8)
  }

  out(port: number, value: number, size: AccessSize = 1): void {
    const range = this.vga.ports.find((r) => port >= r.base && port < r.base + r.count)
    if (!range) return
    const offset = port - range.base
    if (size <= (range.width ?? 1) && offset + size <= range.count) {
      range.write(offset, value, size)
    } else {
      this.out(port, value & 0xff)
      this.out(port + 1, value >>> 8)
    }
  }

  read(offset: number, size: AccessSize = 1): number {
    return this.vga.mmio[0].read(offset, size)
  }

  /** As a debugger reads. */
  peek(offset: number): number | undefined {
    return this.vga.mmio[0].peek?.(offset)
  }

  write(offset: number, value: number, size: AccessSize = 1): void {
    this.vga.mmio[0].write(offset, value, size)
  }

  /** Writes an indexed register: sequencer 3C4, graphics controller 3CE, CRTC 3D4. */
  set(port: number, index: number, value: number): void {
    this.out(port, index)
    this.out(port + 1, value)
  }

  attribute(index: number, value: number): void {
    this.in(this.in(0x3cc) & 1 ? 0x3da : 0x3ba)
    this.out(0x3c0, index)
    this.out(0x3c0, value)
    this.out(0x3c0, 0x20)
  }

  dispi(index: number, value: number): void {
    this.out(0x1ce, index, 2)
    this.out(0x1cf, value, 2)
  }

  getDispi(index: number): number {
    this.out(0x1ce, index, 2)
    return this.in(0x1cf, 2)
  }

  /** Carries the operations out and returns what `in` and `read` read. */
  run(ops: readonly Op[]): number[] {
    const results: number[] = []
    for (const op of ops) {
      switch (op.op) {
        case 'out':
          this.out(op.port, op.value, op.size)
          break
        case 'in':
          for (let i = 0; i < (op.count ?? 1); i++) results.push(this.in(op.port, op.size))
          break
        case 'touch':
          this.in(op.port)
          break
        case 'write':
          this.write(op.offset, op.value, op.size)
          break
        case 'read':
          results.push(this.read(op.offset, op.size))
          break
        case 'fill':
          for (let i = 0; i < op.count; i++) this.write(op.offset + i, (i * op.step + (i >> 8)) & 0xff)
          break
      }
    }
    return results
  }
}

export const out = (port: number, value: number, size: 1 | 2 = 1): Op => ({ op: 'out', port, value, size })
export const set = (port: number, index: number, value: number): Op => out(port, (value << 8) | index, 2)
export const dispi = (index: number, value: number): Op[] => [out(0x1ce, index, 2), out(0x1cf, value, 2)]
export const fill = (offset: number, count: number, step = 7): Op => ({ op: 'fill', offset, count, step })
export const int10 = (ax: number, bx = 0): Op => ({ op: 'int10', ax, bx })
export const attribute = (index: number, value: number): Op[] => [
  { op: 'touch', port: 0x3da },
  { op: 'touch', port: 0x3ba },
  out(0x3c0, index),
  out(0x3c0, value),
  out(0x3c0, 0x20),
]

const CR = 0x19
const SR = 5
const GR = 9
const AR = 0x15
const VBE = 10

/** Reads every register there is. `color`: the CRTC is at 3D4. */
export function readRegisters(color: boolean): Op[] {
  const crtc = color ? 0x3d4 : 0x3b4
  const read = (port: number, size: 1 | 2 = 1): Op => ({ op: 'in', port, size })
  const ops: Op[] = [read(0x3cc)]
  for (let i = 0; i < CR; i++) ops.push(out(crtc, i), read(crtc + 1))
  for (let i = 0; i < SR; i++) ops.push(out(0x3c4, i), read(0x3c5))
  for (let i = 0; i < GR; i++) ops.push(out(0x3ce, i), read(0x3cf))
  for (let i = 0; i < AR; i++) ops.push({ op: 'touch', port: crtc + 6 }, out(0x3c0, i), read(0x3c1))
  ops.push({ op: 'touch', port: crtc + 6 }, out(0x3c0, 0x20))
  ops.push(out(0x3c7, 0), { op: 'in', port: 0x3c9, size: 1, count: 768 })
  for (let i = 0; i < VBE; i++) ops.push(out(0x1ce, i, 2), read(0x1cf, 2))
  return ops
}

/** Where the attribute mode control register stands among them. */
export const AR10_INDEX = 1 + CR + SR + GR + 0x10
export const REGISTER_COUNT = 1 + CR + SR + GR + AR + 768 + VBE

/** Puts what readRegisters() read back, by port writes. */
export function writeRegisters(values: ArrayLike<number>): Op[] {
  let at = 0
  const next = () => values[at++]
  const misc = next()
  const crtc = misc & 1 ? 0x3d4 : 0x3b4
  const ops: Op[] = [...dispi(4, 0), out(0x3c2, misc), set(crtc, 0x11, 0)]
  for (let i = 0; i < CR; i++) ops.push(set(crtc, i, next()))
  for (let i = 0; i < SR; i++) ops.push(set(0x3c4, i, next()))
  for (let i = 0; i < GR; i++) ops.push(set(0x3ce, i, next()))
  for (let i = 0; i < AR; i++) ops.push(...attribute(i, next()))
  ops.push(out(0x3c8, 0))
  for (let i = 0; i < 768; i++) ops.push(out(0x3c9, next()))
  const vbe = Array.from({ length: VBE }, next)
  ops.push(...dispi(0, vbe[0]))
  for (const i of [1, 2, 3]) ops.push(...dispi(i, vbe[i]))
  if (vbe[4] & 1) ops.push(...dispi(4, vbe[4] | 0x80))
  for (const i of [6, 8, 9, 5]) ops.push(...dispi(i, vbe[i]))
  ops.push(...dispi(4, vbe[4]))
  return ops
}
