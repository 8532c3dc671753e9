import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../../machine/clock.js'
import { FW_CFG, FwCfg } from '../../../machine/devices/firmware/fw-cfg.js'
import { BOOT_IMAGE_FILE, BOOT_ROM_FILE, BootImageError } from '../../../machine/firmware/boot-rom.js'
import { configureFirmware, type FirmwareOptions } from '../../../machine/firmware/configure.js'
import { barePc, firmware } from '../state/bare-pc.js'
import { makeElf, makeKernel } from './kernels.js'
import { TestRam } from './ram.js'

const MIB = 2 ** 20

function configure(options: Partial<FirmwareOptions> = {}) {
  const fwCfg = new FwCfg({ memory: new TestRam(16), clock: new ManualClock(), warn: () => undefined })
  const configuration = configureFirmware({ fwCfg, memoryBytes: 128 * MIB, cpus: 2, ...options })
  const number = (which: string | number): bigint | undefined => {
    const bytes = fwCfg.contents(which)
    return bytes?.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n)
  }
  const names = (): string[] => fwCfg.files().map((file) => file.name)
  return { fwCfg, configuration, number, names }
}

describe('the firmware configuration', () => {
  test('gives memory, CPUs and tables, and no kernel where none is asked for', () => {
    const { fwCfg, number, names, configuration } = configure()
    expect(number(FW_CFG.RAM_SIZE)).toBe(BigInt(128 * MIB))
    expect([FW_CFG.NB_CPUS, FW_CFG.MAX_CPUS, FW_CFG.IRQ0_OVERRIDE, FW_CFG.BOOT_MENU].map(number)).toEqual([
      2n,
      2n,
      1n,
      0n,
    ])
    expect(fwCfg.contents(FW_CFG.NUMA)).toEqual(new Uint8Array(24))
    const e820 = new DataView((fwCfg.contents('etc/e820') as Uint8Array).buffer)
    expect([e820.byteLength, e820.getBigUint64(0, true), e820.getBigUint64(8, true), e820.getUint32(16, true)]).toEqual(
      [20, 0n, BigInt(128 * MIB), 1],
    )
    for (const file of ['etc/table-loader', 'etc/acpi/rsdp', 'etc/smbios/smbios-anchor'])
      expect(names()).toContain(file)
    for (const file of ['bootorder', BOOT_ROM_FILE, BOOT_IMAGE_FILE]) expect(names()).not.toContain(file)
    expect(number('etc/boot-fail-wait')).toBe(0xffffffffn) // no restart when nothing boots
    expect(configuration.boot).toBeUndefined()
  })

  test('the tables say where power management is mapped when they are read', () => {
    let pmBase: number | undefined
    const { fwCfg } = configure({ pmBase: () => pmBase })
    const tables = () => fwCfg.contents('etc/acpi/tables') as Uint8Array
    const differ = (a: Uint8Array, b: Uint8Array) => [...a.keys()].filter((at) => a[at] !== b[at])
    const first = tables()
    pmBase = 0x600
    expect(tables()).toEqual(first)
    pmBase = 0xb000
    // The high bytes of three ports in either FADT, and of the later one's long ones.
    expect(differ(first, tables())).toHaveLength(9)
    pmBase = undefined
    expect(tables()).toEqual(first)
  })

  test('the tables are made when a guest asks for them, or for their size, and once', () => {
    let asked = 0
    const acpi = () => {
      asked++
      return {}
    }
    const { fwCfg, names } = configure({ acpi })
    expect(asked).toBe(0)
    expect(names()).toContain('etc/acpi/tables')
    expect(fwCfg.contents('etc/table-loader')).not.toHaveLength(0)
    expect(fwCfg.contents('etc/acpi/tables')).not.toHaveLength(0)
    expect(asked).toBe(1)
  })

  test('UEFI firmware is told that PCI has no addresses above 4 GiB', () => {
    const files = (mark: string): string => {
      const { bios, vgaBios } = firmware()
      bios.set(Buffer.from(mark), 40)
      const pc = barePc({ firmware: { bios, vgaBios } })
      pc.outw(0x510, FW_CFG.FILE_DIR)
      const names = Buffer.from(pc.in(0x511, 4096)).toString('latin1')
      pc.pc.close()
      return names
    }
    expect(files('_FVH')).toContain('opt/ovmf/X-PciMmio64Mb')
    expect(files('')).not.toContain('opt/ovmf')
  })

  test('encodes the boot order for CMOS', () => {
    expect(configure().configuration.cmos).toEqual({ 61: 0x12, 56: 0x30 })
    expect(configure({ bootOrder: 'd' }).configuration.cmos).toEqual({ 61: 0x03, 56: 0x00 })
    expect(configure({ bootOrder: 'ndc' }).configuration.cmos).toEqual({ 61: 0x34, 56: 0x20 })
    for (const bootOrder of ['', 'x', 'aa', 'acdn']) expect(() => configure({ bootOrder })).toThrow(RangeError)
  })

  test('offers the boot menu for as long as asked', () => {
    const { number } = configure({ bootMenu: { waitMs: 500 }, bootFailWaitMs: 1000 })
    expect([FW_CFG.BOOT_MENU, 'etc/boot-menu-wait', 'etc/boot-fail-wait'].map(number)).toEqual([1n, 500n, 1000n])
    expect(configure({ bootMenu: {} }).names()).not.toContain('etc/boot-menu-wait')
  })

  test('a machine without ACPI has no tables', () => {
    const { names } = configure({ acpi: false })
    expect(names().filter((file) => /acpi|table-loader|system-states/.test(file))).toEqual([])
  })

  test('a Linux kernel is booted first, before what else is listed, and lies under its old numbers too', () => {
    const kernel = makeKernel({ body: Uint8Array.of(1, 2, 3) })
    const linux = { kernel, initrd: Uint8Array.of(9, 9), append: 'quiet' }
    const { fwCfg, number, configuration } = configure({ linux, bootDevices: ['/pci@i0cf8/*@3'] })
    const order = new TextDecoder().decode(fwCfg.contents('bootorder'))
    expect(order).toBe(`/rom@${BOOT_ROM_FILE}\n/pci@i0cf8/*@3\n\0`)
    const image = fwCfg.contents(BOOT_IMAGE_FILE) as Uint8Array
    expect(new TextDecoder().decode(image.subarray(0, 4))).toBe('BWB1')
    expect(fwCfg.contents(FW_CFG.KERNEL_DATA)).toEqual(Uint8Array.of(1, 2, 3))
    expect(fwCfg.contents(FW_CFG.INITRD_DATA)).toEqual(Uint8Array.of(9, 9))
    expect(new TextDecoder().decode(fwCfg.contents(FW_CFG.CMDLINE_DATA))).toBe('quiet\0')
    expect([FW_CFG.SETUP_SIZE, FW_CFG.KERNEL_ADDR].map(number)).toEqual([2560n, 0x100000n])
    expect(configuration.boot?.entry.mode).toBe('real')
  })

  test('a Multiboot kernel is booted by the same ROM', () => {
    const image = makeElf([{ virtual: 0x100000, physical: 0x100000, data: new Uint8Array(64) }], 0x100010, 0)
    const { configuration, names } = configure({ multiboot: { image } })
    expect(configuration.boot?.entry.mode).toBe('protected')
    expect(names()).toContain(BOOT_ROM_FILE)
    expect(() => configure({ multiboot: { image }, linux: { kernel: makeKernel() } })).toThrow(BootImageError)
  })

  test('takes option ROMs, further files and a serial console', () => {
    const { fwCfg, number } = configure({
      optionRoms: { 'pci1234,1111.rom': Uint8Array.of(0x55, 0xaa) },
      files: { 'opt/org.example/answer': Uint8Array.of(42) },
      serialConsole: 0x3f8,
    })
    expect(fwCfg.contents('pci1234,1111.rom')).toEqual(Uint8Array.of(0x55, 0xaa))
    expect(number('opt/org.example/answer')).toBe(42n)
    expect(number('etc/sercon-port')).toBe(0x3f8n)
  })
})
