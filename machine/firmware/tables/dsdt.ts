/**
 * The DSDT of this board: what ACPI calls devices that PCI and ISA plug-and-play do not find, how PCI interrupts are
 * routed (PIIX3's PIRQ registers), and how to suspend and switch off (PIIX4).
 * Specifications: ACPI 6.5, chapters 5, 6, 7 and 9; Intel 82371SB (PIIX3) and 82371AB (PIIX4) datasheets.
 */

import type { Aml } from './aml.js'
import * as aml from './aml.js'
import type { FloppyType } from './cmos.js'

export interface DsdtOptions {
  readonly cpus: number
  /** Bytes of RAM below 4 GiB: PCI memory begins above it. */
  readonly lowMemory: number
  /** Serial ports present, COM1 on; default 1. */
  readonly serialPorts?: 0 | 1 | 2
  /** LPT1; default present. */
  readonly parallelPort?: boolean
  /** 8042 with keyboard and mouse; default present. SeaBIOS does not look for a keyboard where this is not. */
  readonly ps2?: boolean
  /** HPET at 0xfed00000; default present. */
  readonly hpet?: boolean
  /** Types of drives A and B; default one of 1440 KiB. The controller is left out where there is no drive. */
  readonly floppies?: readonly FloppyType[]
}

/** General purpose event block of the PIIX4 power management function as QEMU maps it. */
export const GPE0_BASE = 0xafe0
export const GPE0_LENGTH = 4
export const FW_CFG_BASE = 0x510
export const FW_CFG_LENGTH = 12
const HPET_BASE = 0xfed00000
const PCI_MEMORY_END = 0xfebfffff
const PCI_SLOTS = 32
/** The ISA interrupts that PIRQ lines may be steered to; SeaBIOS picks 10 and 11. */
const PIRQ_CHOICES = [5, 10, 11]
const SCI_IRQ = 9

const PRESENT = 0x0f
const PRESENT_HIDDEN = 0x0b
const DISABLED = 0x09
/** Bit 7 of a PIRQ route control register: routing off. */
const PIRQ_DISABLED = 0x80

/** The DSDT's AML, without the table header. */
export function dsdtAml(options: DsdtOptions): Uint8Array {
  return Uint8Array.from([
    ...aml.scope('\\_SB', pciRoot(options)),
    ...linkDevices(),
    ...aml.scope('\\_PR', ...processors(options.cpus)),
    // SLP_TYPa and SLP_TYPb of \_S3, suspended to RAM, and of \_S5, soft off. S4 is not offered.
    ...aml.named('\\_S3', aml.pack([1, 1, 0, 0].map(aml.integer))),
    ...aml.named('\\_S5', aml.pack([0, 0, 0, 0].map(aml.integer))),
  ])
}

function pciRoot(options: DsdtOptions): Aml {
  return aml.device(
    'PCI0',
    aml.named('_HID', aml.eisaId('PNP0A03')),
    aml.named('_ADR', aml.integer(0)),
    aml.named('_UID', aml.integer(0)),
    aml.named(
      '_CRS',
      aml.resources(
        aml.wordBusNumber(0, 0xff),
        aml.io(0xcf8, 8),
        aml.wordIo(0, 0xcf7),
        aml.wordIo(0xd00, 0xffff),
        aml.dwordMemory(0xa0000, 0xbffff, true),
        aml.dwordMemory(pciMemoryStart(options.lowMemory), PCI_MEMORY_END, false),
      ),
    ),
    aml.named('_PRT', pciRouting()),
    isaBridge(options),
    ...(options.hpet === false ? [] : [hpet()]),
    aml.device(
      'GPE0',
      aml.named('_HID', aml.eisaId('PNP0C02')),
      aml.named('_UID', aml.string('GPE0 resources')),
      aml.named('_STA', aml.integer(PRESENT_HIDDEN)),
      aml.named('_CRS', aml.resources(aml.io(GPE0_BASE, GPE0_LENGTH))),
    ),
  )
}

/** PCI memory starts on the next 16 MiB above RAM. */
function pciMemoryStart(lowMemory: number): number {
  return Math.ceil(lowMemory / 2 ** 24) * 2 ** 24
}

/** _PRT: INTA to INTD of each slot go to the four PIRQ lines in turn; the power management function has its own link. */
function pciRouting(): Aml {
  const entries: Aml[] = []
  for (let slot = 0; slot < PCI_SLOTS; slot++) {
    for (let pin = 0; pin < 4; pin++) {
      const link = slot === 1 && pin === 0 ? 'LNKS' : `LNK${'DABC'[(slot + pin) & 3]}`
      entries.push(aml.pack([aml.integer(slot * 0x10000 + 0xffff), aml.integer(pin), aml.name(link), aml.integer(0)]))
    }
  }
  return aml.pack(entries)
}

/** PIIX3, function 0, with the devices behind it. */
function isaBridge(options: DsdtOptions): Aml {
  const { serialPorts = 1, parallelPort = true, ps2 = true, floppies = [1440] } = options
  const devices: Aml[] = [
    isaDevice('RTC', 'PNP0B00', [aml.io(0x70, 2), aml.irqNoFlags(8)]),
    aml.device(
      'FWCF',
      aml.named('_HID', aml.string('QEMU0002')),
      aml.named('_STA', aml.integer(PRESENT_HIDDEN)),
      aml.named('_CRS', aml.resources(aml.io(FW_CFG_BASE, FW_CFG_LENGTH))),
    ),
  ]
  if (ps2) {
    devices.push(isaDevice('KBD', 'PNP0303', [aml.io(0x60, 1), aml.io(0x64, 1), aml.irqNoFlags(1)]))
    devices.push(isaDevice('MOU', 'PNP0F13', [aml.irqNoFlags(12)]))
  }
  if (floppies.some((type) => type !== 'none')) devices.push(floppyController(floppies))
  if (parallelPort) devices.push(isaDevice('LPT1', 'PNP0400', [aml.io(0x378, 8), aml.irqNoFlags(7)], 1))
  if (serialPorts >= 1) devices.push(isaDevice('COM1', 'PNP0501', [aml.io(0x3f8, 8), aml.irqNoFlags(4)], 1))
  if (serialPorts >= 2) devices.push(isaDevice('COM2', 'PNP0501', [aml.io(0x2f8, 8), aml.irqNoFlags(3)], 2))
  return aml.device(
    'ISA',
    aml.named('_ADR', aml.integer(0x00010000)),
    // PIRQRC[A:D]: PIIX3 configuration registers 0x60 to 0x63.
    aml.operationRegion('PIRQ', aml.PCI_CONFIG, 0x60, 4),
    ...devices,
  )
}

function isaDevice(path: string, id: string, descriptors: readonly Aml[], uid?: number): Aml {
  return aml.device(
    path,
    aml.named('_HID', aml.eisaId(id)),
    ...(uid === undefined ? [] : [aml.named('_UID', aml.integer(uid))]),
    aml.named('_STA', aml.integer(PRESENT)),
    aml.named('_CRS', aml.resources(...descriptors)),
  )
}

/** Type number as in CMOS register 0x10, and what INT 13h AH=08h and the diskette parameter table give for it. */
const FLOPPY_GEOMETRY: {
  readonly [kib in Exclude<FloppyType, 'none'>]: {
    type: number
    cylinders: number
    sectors: number
    gap: number
    formatGap: number
  }
} = {
  360: { type: 1, cylinders: 40, sectors: 9, gap: 0x2a, formatGap: 0x50 },
  1200: { type: 2, cylinders: 80, sectors: 15, gap: 0x1b, formatGap: 0x54 },
  720: { type: 3, cylinders: 80, sectors: 9, gap: 0x2a, formatGap: 0x50 },
  1440: { type: 4, cylinders: 80, sectors: 18, gap: 0x1b, formatGap: 0x6c },
  2880: { type: 5, cylinders: 80, sectors: 36, gap: 0x1b, formatGap: 0x53 },
}

function floppyController(types: readonly FloppyType[]): Aml {
  const present = [0, 1, 2, 3].map((drive) => ((types[drive] ?? 'none') === 'none' ? 0 : 1))
  const drives = types.flatMap((type, drive) => (type === 'none' ? [] : [floppyDrive(drive, type)]))
  return aml.device(
    'FDC0',
    aml.named('_HID', aml.eisaId('PNP0700')),
    aml.named('_STA', aml.integer(PRESENT)),
    aml.named('_CRS', aml.resources(aml.io(0x3f2, 4), aml.io(0x3f7, 1), aml.irqNoFlags(6), aml.dma(2))),
    // _FDE: four drives as 32-bit flags, and 2 for "no tape".
    aml.named('_FDE', aml.buffer([...present, 2].flatMap((value) => [value, 0, 0, 0]))),
    ...drives,
  )
}

function floppyDrive(drive: number, kib: Exclude<FloppyType, 'none'>): Aml {
  const { type, cylinders, sectors, gap, formatGap } = FLOPPY_GEOMETRY[kib]
  // Of the diskette parameter table: step rate and head unload, head load and DMA mode, motor off delay, 512-byte
  // sectors, last sector, gap, data length, format gap and fill byte, head settle time, motor start time.
  const parameters = [0xaf, 0x02, 0x25, 0x02, sectors, gap, 0xff, formatGap, 0xf6, 0x0f, 0x08]
  return aml.device(
    `FLP${'AB'[drive]}`,
    aml.named('_ADR', aml.integer(drive)),
    aml.named('_FDI', aml.pack([drive, type, cylinders - 1, sectors, 1, ...parameters].map(aml.integer))),
  )
}

function hpet(): Aml {
  return aml.device(
    'HPET',
    aml.named('_HID', aml.eisaId('PNP0103')),
    aml.named('_UID', aml.integer(0)),
    aml.named('_STA', aml.integer(PRESENT)),
    aml.named('_CRS', aml.resources(aml.memory32Fixed(HPET_BASE, 0x400))),
  )
}

/** Interrupt link devices: LNKA to LNKD set the PIRQ route control registers, LNKS is the SCI, wired to IRQ 9. */
function linkDevices(): Aml {
  const pirqs = ['A', 'B', 'C', 'D'].map((letter, index) => {
    const register = aml.name(`PRQ${letter}`)
    return aml.device(
      `LNK${letter}`,
      aml.named('_HID', aml.eisaId('PNP0C0F')),
      aml.named('_UID', aml.integer(index)),
      aml.named('_PRS', aml.resources(aml.interrupt(...PIRQ_CHOICES))),
      aml.method('_STA', { args: 0 }, aml.returns(aml.call('LSTA', register))),
      aml.method('_DIS', { args: 0 }, aml.or(register, aml.integer(PIRQ_DISABLED), register)),
      aml.method('_CRS', { args: 0 }, aml.returns(aml.call('LCRS', register))),
      aml.method(
        '_SRS',
        { args: 1 },
        aml.createDWordField(aml.arg(0), INTERRUPT_NUMBER_AT, 'PRRI'),
        aml.store(aml.name('PRRI'), register),
      ),
    )
  })
  const sci = aml.device(
    'LNKS',
    aml.named('_HID', aml.eisaId('PNP0C0F')),
    aml.named('_UID', aml.integer(4)),
    aml.named('_PRS', aml.resources(aml.interrupt(SCI_IRQ))),
    aml.method('_STA', { args: 0 }, aml.returns(aml.integer(PRESENT_HIDDEN))),
    aml.method('_DIS', { args: 0 }),
    aml.method('_CRS', { args: 0 }, aml.returns(aml.name('_PRS'))),
    aml.method('_SRS', { args: 1 }),
  )
  return aml.scope(
    '\\_SB',
    // The registers' names, as seen from \_SB.
    aml.byteField('PCI0.ISA.PIRQ', [
      ['PRQA', 8],
      ['PRQB', 8],
      ['PRQC', 8],
      ['PRQD', 8],
    ]),
    aml.method(
      'LSTA',
      { args: 1 },
      aml.iff(aml.and(aml.arg(0), aml.integer(PIRQ_DISABLED)), aml.returns(aml.integer(DISABLED))),
      aml.returns(aml.integer(PRESENT_HIDDEN)),
    ),
    aml.method(
      'LCRS',
      { args: 1, serialized: true },
      aml.named('PRR0', aml.resources(aml.interrupt(0))),
      aml.createDWordField(aml.name('PRR0'), INTERRUPT_NUMBER_AT, 'PRRI'),
      aml.iff(aml.lessThan(aml.arg(0), aml.integer(PIRQ_DISABLED)), aml.store(aml.arg(0), aml.name('PRRI'))),
      aml.returns(aml.name('PRR0')),
    ),
    ...pirqs,
    sci,
  )
}

/** Byte offset of the number in an extended interrupt descriptor with one interrupt. */
const INTERRUPT_NUMBER_AT = 5

function processors(cpus: number): Aml[] {
  return Array.from({ length: cpus }, (_, id) =>
    aml.processor(`C${id.toString(16).toUpperCase().padStart(3, '0')}`, id),
  )
}
