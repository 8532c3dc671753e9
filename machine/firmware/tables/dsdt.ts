/**
 * The DSDT of this board: what ACPI calls devices that PCI and ISA plug-and-play do not find, how PCI interrupts are
 * routed (PIIX3's PIRQ registers), and how to suspend and switch off (PIIX4).
 * Specifications: ACPI 6.5, chapters 5, 6, 7 and 9; Intel 82371SB (PIIX3) and 82371AB (PIIX4) datasheets.
 */

import { PRESENT_HIDDEN } from './acpi-device.js'
import type { Aml } from './aml.js'
import * as aml from './aml.js'

export interface DsdtOptions {
  readonly cpus: number
  /** Bytes of RAM below 4 GiB: PCI memory begins above it. */
  readonly lowMemory: number
  /** What the devices behind the ISA bridge say of themselves, and those of the PCI bus. */
  readonly isa: readonly Aml[]
  readonly pci: readonly Aml[]
}

/** General purpose event block of the PIIX4 power management function as QEMU maps it. */
export const GPE0_BASE = 0xafe0
export const GPE0_LENGTH = 4
const PCI_MEMORY_END = 0xfebfffff
const PCI_SLOTS = 32
/** The ISA interrupts that PIRQ lines may be steered to; SeaBIOS picks 10 and 11. */
const PIRQ_CHOICES = [5, 10, 11]
const SCI_IRQ = 9

const DISABLED = 0x09
/** Bit 7 of a PIRQ route control register: routing off. */
const PIRQ_DISABLED = 0x80

/** The DSDT's AML, without the table header. */
export function dsdtAml(options: DsdtOptions): Uint8Array {
  return Uint8Array.from([
    ...aml.scope('\\_SB', pciRoot(options)),
    ...linkDevices(),
    ...aml.scope('\\_PR', ...processors(options.cpus)),
    // SLP_TYPa and SLP_TYPb of \_S3, suspended to RAM, \_S4, to a disk, and \_S5, soft off: QEMU offers all three.
    ...aml.named('\\_S3', aml.pack([1, 1, 0, 0].map(aml.integer))),
    ...aml.named('\\_S4', aml.pack([2, 2, 0, 0].map(aml.integer))),
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
    isaBridge(options.isa),
    ...options.pci,
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
function isaBridge(devices: readonly Aml[]): Aml {
  return aml.device(
    'ISA',
    aml.named('_ADR', aml.integer(0x00010000)),
    // PIRQRC[A:D]: PIIX3 configuration registers 0x60 to 0x63.
    aml.operationRegion('PIRQ', aml.PCI_CONFIG, 0x60, 4),
    ...devices,
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
