/**
 * A PC whose firmware is a few instructions: it waits in HLT, and every interrupt counts at 0000:0502 and is
 * acknowledged. What its devices do is the test's affair, through the ports as a guest would.
 */

import type { MemoryMap } from '../../../machine/bus/memory-map.js'
import type { PortBus } from '../../../machine/bus/port-bus.js'
import { createMachine } from '../../../machine/create-machine.js'
import type { AccessSize } from '../../../machine/device.js'
import type { DeviceSpec } from '../../../machine/devices/catalogue.js'
import type { Machine, MachineOptions } from '../../../machine/machine.js'
import { MemoryMedium } from '../../../machine/media/memory.js'
import { Overlay } from '../../../machine/media/overlay.js'
import { openSharedFolder } from '../../../machine/media/shared-folder.js'

const ENTRY = 0xe000
const HANDLER = 0xe100

const out = (port: number, ...values: number[]) => values.flatMap((value) => [0xb0, value, 0xe6, port])

const START = [
  // cli; xor ax, ax; mov ds, ax; mov es, ax; mov ss, ax; mov sp, 7000h; xor di, di; mov cx, 256; cld
  ...[0xfa, 0x31, 0xc0, 0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xd0, 0xbc, 0x00, 0x70, 0x31, 0xff, 0xb9, 0x00, 0x01, 0xfc],
  // mov ax, HANDLER; stosw; mov ax, 0f000h; stosw; loop
  ...[0xb8, HANDLER & 0xff, HANDLER >> 8, 0xab, 0xb8, 0x00, 0xf0, 0xab, 0xe2, 0xf6],
  // The 8259As: vectors 8 and 70h, cascade, nothing masked.
  ...[...out(0x20, 0x11), ...out(0xa0, 0x11), ...out(0x21, 8, 4, 1, 0), ...out(0xa1, 0x70, 2, 1, 0)],
  // sti; hlt; inc word [500h]; jmp hlt
  ...[0xfb, 0xf4, 0xff, 0x06, 0x00, 0x05, 0xeb, 0xf9],
]

// push ax; inc word [502h]; RTC register C; EOI to both, and to the local APIC by its own test; pop ax; iret
const INTERRUPT = [
  0x50,
  0xff,
  0x06,
  0x02,
  0x05,
  ...out(0x70, 0x0c),
  0xe4,
  0x71,
  ...out(0xa0, 0x20),
  ...out(0x20, 0x20),
  0x58,
  0xcf,
]

export function firmware(): MachineOptions['firmware'] {
  const bios = new Uint8Array(65536)
  bios.set(START, ENTRY)
  bios.set(INTERRUPT, HANDLER)
  // jmp 0f000h:ENTRY
  bios.set([0xea, ENTRY & 0xff, ENTRY >> 8, 0x00, 0xf0], 0xfff0)
  return { bios, vgaBios: new Uint8Array(4096) }
}

function pattern(size: number): MemoryMedium {
  const medium = new MemoryMedium(size, { readOnly: true })
  for (let i = 0; i < size; i++) medium.data[i] = (i * 7 + (i >> 9)) & 0xff
  return medium
}

export interface BarePc {
  pc: Machine
  memory: MemoryMap
  run(ns: number): void
  out(port: number, ...values: number[]): void
  outw(port: number, ...values: number[]): void
  outl(port: number, value: number): void
  /** Reads `count` values; what they are shows in the devices' state. */
  in(port: number, count?: number): number[]
  inw(port: number, count?: number): number[]
  poke(address: number, value: number): void
  /** A doubleword of PCI configuration space. */
  pci(device: number, fn: number, register: number, value: number): void
}

/** Of types that cannot be plugged into a bare PC without. */
export const NEEDED_OPTIONS: { [type: string]: DeviceSpec['options'] } = {
  'virtio-blk-pci': { drive: 'disk0' },
  nvme: { drive: 'disk0' },
  'scsi-hd': { drive: 'disk0' },
  'virtio-9p-pci': { path: import.meta.dirname, mount_tag: 'host' },
}

/** 2 MiB, a floppy, a disk and a CD. */
export function barePc(options: Partial<MachineOptions> = {}): BarePc {
  const pc = createMachine({
    engine: 'soft',
    memory: 2 << 20,
    floppies: [new Overlay(pattern(1474560))],
    disks: [new Overlay(pattern(1 << 20))],
    cdrom: pattern(1 << 17),
    firmware: firmware(),
    ...options,
    backend: (kind, name) => (kind === 'folder' ? openSharedFolder(name) : options.backend?.(kind, name)),
  })
  const { ports, memory } = pc as unknown as { ports: PortBus; memory: MemoryMap }
  const write = (port: number, size: AccessSize, values: number[]) => {
    for (const value of values) ports.write(port, value, size)
  }
  const read = (port: number, size: AccessSize, count: number) =>
    Array.from({ length: count }, () => ports.read(port, size))
  return {
    pc,
    memory,
    run(ns) {
      const end = pc.now() + ns
      while (pc.now() < end) {
        const exit = pc.run(end)
        if (exit) throw new Error(`the bare PC stopped: ${exit.reason} ${exit.detail ?? ''}`)
      }
    },
    out: (port, ...values) => write(port, 1, values),
    outw: (port, ...values) => write(port, 2, values),
    outl: (port, value) => write(port, 4, [value]),
    in: (port, count = 1) => read(port, 1, count),
    inw: (port, count = 1) => read(port, 2, count),
    poke: (address, value) => memory.write32(address, value),
    pci(device, fn, register, value) {
      write(0xcf8, 4, [0x80000000 + device * 0x800 + fn * 0x100 + register])
      write(0xcfc, 4, [value])
    },
  }
}
