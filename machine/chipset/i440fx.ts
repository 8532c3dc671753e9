/**
 * Intel 440FX PCIset, the 82441FX PCI and memory controller: host bridge and the decoders of the first megabyte.
 * Datasheet: Intel 290549-001, section 3.2 (PCI configuration registers) and 4.1 (system address map).
 *
 * The DRAM timing registers are storage only. As in QEMU's `pc`, RAM ends at 3 GiB at the latest and the PCI hole
 * reaches to 4 GiB.
 */

import type { MemoryLayer, MemoryMap, MmioWindow } from '../bus/memory-map.js'
import { Priority } from '../bus/memory-map.js'
import { type PciBus, PciFunction } from '../bus/pci.js'
import type { Device, StateTable } from '../device.js'
import { flag, starts } from '../state/fields.js'
import { resetState } from '../state/state-table.js'

/** Installed RAM in 8 MiB, at most 255: what coreboot reads on QEMU in place of DRAM row boundaries. */
const COREBOOT_RAM_SIZE = 0x57
/** Programmable attribute map, PAM0 to PAM6. */
const PAM0 = 0x59
const PAM6 = 0x5f
const PAM_RE = 0x1
const PAM_WE = 0x2
/** System management RAM control. */
const SMRAM = 0x72
const SMRAM_D_OPEN = 0x40
const SMRAM_D_LCK = 0x10
const SMRAM_G_SMRAME = 0x08
/** Compatible segment A0000h, the only value there is. */
const SMRAM_C_BASE_SEG = 0x02

const MIB = 0x10_0000
const SMRAM_BASE = 0xa_0000
const SMRAM_SIZE = 0x2_0000
const OPTION_ROM_BASE = 0xc_0000
const OPTION_ROM_SIZE = 0x2_0000
const FOUR_GIB = 0x1_0000_0000
/** Most RAM below the PCI hole. */
export const MAX_RAM = 0xc000_0000

export interface I440fxOptions {
  pci: PciBus
  memory: MemoryMap
  /** Bytes, a multiple of 4096 from 1 MiB to 3 GiB. */
  ramSize: number
  /** The firmware; its last byte lies just under 4 GiB, and its last 128 KiB are seen under 1 MiB as well. */
  bios: Uint8Array
  /** Takes writes to the firmware under 4 GiB, for flash chips; they are lost without it. */
  biosWrites?: MmioWindow
  /** What C0000h to DFFFFh show while PAM leaves them to PCI; zeros by default. At most 128 KiB. */
  optionRom?: Uint8Array
}

const STATE: StateTable = { inSmm: starts(flag, false) }

export class I440fx implements Device {
  readonly name = 'i440FX'
  readonly state = STATE
  readonly pci: PciFunction
  /** Arena offsets; guest-physical address `a` of RAM lies at `ramOffset + a`. */
  readonly ramOffset: number
  readonly biosOffset: number
  private readonly memory: MemoryMap
  /** One layer a PAM nibble: F0000h-FFFFFh, then sixteen KiB each from C0000h on. */
  private readonly shadow: MemoryLayer[] = []
  private readonly smram: MemoryLayer
  private inSmm = false

  constructor(options: I440fxOptions) {
    const { memory, ramSize, bios } = options
    if (!(ramSize >= MIB && ramSize <= MAX_RAM && ramSize % 4096 === 0)) {
      throw new Error(`RAM of ${ramSize} bytes: from 1 MiB to 3 GiB in whole pages is possible`)
    }
    if (bios.length === 0 || bios.length % 4096 !== 0 || bios.length > 16 * MIB) {
      throw new Error(`a BIOS image of ${bios.length} bytes: whole pages up to 16 MiB are possible`)
    }
    if (options.optionRom && options.optionRom.length > OPTION_ROM_SIZE) {
      throw new Error(`an option ROM of ${options.optionRom.length} bytes does not fit in 128 KiB`)
    }
    this.memory = memory
    const pci = new PciFunction({
      name: this.name,
      vendorId: 0x8086,
      deviceId: 0x1237,
      revision: 2,
      classCode: 0x060000,
      changed: (offset, size) => this.changed(offset, size),
    })
    this.pci = pci
    pci.config[COREBOOT_RAM_SIZE] = Math.min(255, Math.floor(ramSize / (8 * MIB)))
    pci.config[SMRAM] = SMRAM_C_BASE_SEG

    this.ramOffset = memory.allocate('pc.ram', ramSize)
    this.biosOffset = memory.allocate('pc.bios', bios.length, true)
    memory.arenaBytes(this.biosOffset, bios.length).set(bios)
    const optionRom = memory.allocate('pc.rom', OPTION_ROM_SIZE, true)
    if (options.optionRom) memory.arenaBytes(optionRom, OPTION_ROM_SIZE).set(options.optionRom)

    const ram = (
      name: string,
      base: number,
      size: number,
      layer: { priority: number; reads: boolean; writes: boolean },
    ) => memory.addRam(name, base, size, this.ramOffset + base, layer)
    const on = { priority: Priority.ram, reads: true, writes: true }
    const shadow = { priority: Priority.shadow, reads: false, writes: false }
    const off = { priority: Priority.smram, reads: false, writes: false }
    this.smram = ram('SMRAM', SMRAM_BASE, SMRAM_SIZE, off)
    memory.batch(() => {
      ram('RAM below 640 KiB', 0, SMRAM_BASE, on)
      if (ramSize > MIB) ram('RAM above 1 MiB', MIB, ramSize - MIB, on)
      this.shadow.push(ram('PAM0 F0000', 0xf_0000, 0x1_0000, shadow))
      for (let i = 0; i < 12; i++) {
        const base = OPTION_ROM_BASE + i * 0x4000
        this.shadow.push(ram(`PAM${1 + (i >> 1)} ${base.toString(16).toUpperCase()}`, base, 0x4000, shadow))
      }
      memory.addRom('pc.rom', OPTION_ROM_BASE, OPTION_ROM_SIZE, optionRom)
      const window = options.biosWrites
      memory.addRom('pc.bios', FOUR_GIB - bios.length, bios.length, this.biosOffset, { window })
      const low = Math.min(bios.length, 0x2_0000)
      memory.addRom('isa-bios', MIB - low, low, this.biosOffset + bios.length - low)
    })
    options.pci.add(0, 0, pci)
  }

  /** The CPU entered or left system management mode: SMRAM shows while it is enabled. */
  setSmm(inSmm: boolean): void {
    if (inSmm === this.inSmm) return
    this.inSmm = inSmm
    this.updateSmram()
  }

  reset(): void {
    resetState(this)
    this.pci.reset()
  }

  /** PAM0 to PAM6: whether the firmware's copy in RAM is in sight. */
  get shadowing(): Uint8Array {
    return this.pci.config.slice(PAM0, PAM6 + 1)
  }

  set shadowing(pam: Uint8Array) {
    this.pci.config.set(pam, PAM0)
    this.changed(PAM0, pam.length)
  }

  private changed(offset: number, size: number): void {
    const end = offset + size
    if (offset <= PAM6 && end > PAM0) this.memory.batch(() => this.updatePam())
    if (offset <= SMRAM && end > SMRAM) {
      const { config, writeMask } = this.pci
      // The lock closes SMRAM and stays until reset, which comes here with the register cleared.
      const locked = (config[SMRAM] & SMRAM_D_LCK) !== 0
      if (locked) config[SMRAM] &= ~SMRAM_D_OPEN
      writeMask[SMRAM] = locked ? 0xff & ~(SMRAM_D_OPEN | SMRAM_D_LCK) : 0xff
      this.updateSmram()
    }
  }

  private updatePam(): void {
    for (let i = 0; i < this.shadow.length; i++) {
      // PAM0 has its one segment in the high nibble, the others two segments each, the lower one in the low nibble.
      const nibble = this.pci.config[PAM0 + ((i + 1) >> 1)] >> (i & 1 ? 0 : 4)
      this.memory.update(this.shadow[i], { reads: (nibble & PAM_RE) !== 0, writes: (nibble & PAM_WE) !== 0 })
    }
  }

  private updateSmram(): void {
    const control = this.pci.config[SMRAM]
    const shown = (control & SMRAM_D_OPEN) !== 0 || (this.inSmm && (control & SMRAM_G_SMRAME) !== 0)
    this.memory.update(this.smram, { reads: shown, writes: shown })
  }

  loaded(): void {
    this.updateSmram()
  }
}
