import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { MemoryMap } from '../../../../machine/bus/memory-map.js'
import { PciBus } from '../../../../machine/bus/pci.js'
import { PortBus } from '../../../../machine/bus/port-bus.js'
import type { DmaChannel } from '../../../../machine/chipset/i8237.js'
import { Piix4Pm } from '../../../../machine/chipset/piix4-pm.js'
import { ManualClock } from '../../../../machine/clock.js'
import type { Device, PhysicalMemory } from '../../../../machine/device.js'
import { FwCfg } from '../../../../machine/devices/firmware/fw-cfg.js'
import { I8042 } from '../../../../machine/devices/input/i8042.js'
import { Ps2Keyboard } from '../../../../machine/devices/input/ps2-keyboard.js'
import { Ps2Mouse } from '../../../../machine/devices/input/ps2-mouse.js'
import { ParallelPort } from '../../../../machine/devices/serial/parallel.js'
import { Uart16550 } from '../../../../machine/devices/serial/uart16550.js'
import { Fdc82077 } from '../../../../machine/devices/storage/fdc82077.js'
import { FloppyDrive, type FloppyDriveType } from '../../../../machine/devices/storage/floppy-drive.js'
import { Hpet } from '../../../../machine/devices/timer/hpet.js'
import { Mc146818 } from '../../../../machine/devices/timer/mc146818.js'
import { type AcpiOptions, buildAcpiFiles } from '../../../../machine/firmware/tables/acpi-tables.js'
import { dsdtAml } from '../../../../machine/firmware/tables/dsdt.js'
import { LinkedAcpi, type LinkedTable, sum } from './acpi-linker.js'

const MIB = 2 ** 20
const TABLES_AT = 0x0ffe0000
const RSDP_AT = 0xf5a00

const clock = new ManualClock()
const nothing = () => {}
const memory = {} as PhysicalMemory
const rtc = () => new Mc146818({ clock, irq: nothing, epochSeconds: 0, warn: nothing })
const fwCfg = () => new FwCfg({ memory, clock, warn: nothing })

/** What a PC has that ACPI is told of, in the board's order. */
function devices(floppies: FloppyDriveType[] = ['1.44M']): Device[] {
  const drives = floppies.map((type) => new FloppyDrive({ type }))
  const [keyboard, mouse] = [new Ps2Keyboard(), new Ps2Mouse()]
  const lines = { irq1: nothing, irq12: nothing, setA20: nothing, getA20: () => true, reset: nothing }
  const ports = new PortBus()
  const pci = new PciBus(ports, new MemoryMap({ arena: new WebAssembly.Memory({ initial: 1 }) }))
  return [
    ...[rtc(), fwCfg(), new I8042({ clock, keyboard, mouse, ...lines, warn: nothing })],
    new Hpet({ clock, irq: () => nothing, legacy: nothing }),
    new Fdc82077({ clock, irq: nothing, dma: {} as DmaChannel, warn: nothing, drives }),
    new ParallelPort({ irq: nothing, output: nothing }),
    ...[0x3f8, 0x2f8, 0x3e8].map((base) => new Uart16550({ name: 'COM', base, clock, irq: nothing, output: nothing })),
    new Piix4Pm({ pci, ports, clock, sci: nothing, powerOff: nothing }),
  ]
}

function aml(list: readonly Device[]) {
  const all = list.flatMap((device) => device.acpi?.() ?? [])
  const of = (wanted: 'isa' | 'pci') => all.filter(({ scope }) => scope === wanted).map((device) => device.aml)
  return { isa: of('isa'), pci: of('pci') }
}

function link(options: Partial<AcpiOptions> = {}): LinkedAcpi {
  const files = buildAcpiFiles({ cpus: 1, lowMemory: 256 * MIB, ...aml(devices()), ...options })
  return new LinkedAcpi({ ...files }, { 'etc/acpi/tables': TABLES_AT, 'etc/acpi/rsdp': RSDP_AT })
}

function roots(acpi: LinkedAcpi): { rsdt: LinkedTable; xsdt: LinkedTable } {
  const view = new DataView(acpi.rsdp().buffer)
  return { rsdt: acpi.tableAt(view.getUint32(16, true)), xsdt: acpi.tableAt(Number(view.getBigUint64(24, true))) }
}

function find(acpi: LinkedAcpi, signature: string): LinkedTable {
  const { xsdt } = roots(acpi)
  const table = acpi.listedBy(xsdt).find((each) => each.signature === signature)
  if (!table) throw new Error(`no ${signature}`)
  return table
}

function dsdtOf(acpi: LinkedAcpi): LinkedTable {
  return acpi.tableAt(new DataView(find(acpi, 'FACP').bytes.buffer).getUint32(40, true))
}

const iasl = (() => {
  try {
    execFileSync('iasl', ['-v'], { stdio: 'pipe' })
    return true
  } catch {
    return false
  }
})()

/** Decompiles a table; throws when iasl finds an error. For a DSDT, compiles the result again. */
function decompile(table: LinkedTable): string {
  const folder = mkdtempSync(join(tmpdir(), 'bootwright-acpi-'))
  try {
    writeFileSync(join(folder, 't.aml'), table.bytes)
    const said = execFileSync('iasl', ['-d', 't.aml'], { cwd: folder, encoding: 'utf8', stdio: 'pipe' })
    if (/\berror\b/i.test(said.replace(/0 Errors?/gi, ''))) throw new Error(said)
    if (table.signature === 'DSDT') {
      const compiled = execFileSync('iasl', ['-p', 'again', 't.dsl'], { cwd: folder, encoding: 'utf8', stdio: 'pipe' })
      expect(compiled).toMatch(/ 0 Errors/)
    }
    return readFileSync(join(folder, 't.dsl'), 'utf8')
  } finally {
    rmSync(folder, { recursive: true })
  }
}

describe('ACPI tables', () => {
  test('every table reached from RSDT and XSDT sums up to zero', () => {
    const acpi = link({ cpus: 3 })
    const rsdp = acpi.rsdp()
    expect(new TextDecoder().decode(rsdp.subarray(0, 8))).toBe('RSD PTR ')
    expect(sum(rsdp.subarray(0, 20))).toBe(0)
    expect(sum(rsdp)).toBe(0)
    const { rsdt, xsdt } = roots(acpi)
    for (const root of [rsdt, xsdt]) {
      expect(acpi.listedBy(root).map((table) => table.signature)).toEqual(['FACP', 'APIC', 'HPET', 'WAET'])
      for (const table of [root, ...acpi.listedBy(root), dsdtOf(acpi)])
        expect(sum(table.bytes), table.signature).toBe(0)
    }
  })

  test('the RSDT leads to a FADT of revision 1, the XSDT to one of revision 3 with the reset register', () => {
    const acpi = link()
    const { rsdt, xsdt } = roots(acpi)
    const old = acpi.listedBy(rsdt)[0].bytes
    const recent = acpi.listedBy(xsdt)[0].bytes
    expect([old[8], old.length]).toEqual([1, 116])
    expect([recent[8], recent.length]).toEqual([3, 244])
    const view = new DataView(recent.buffer)
    expect([...recent.subarray(116, 129)]).toEqual([1, 8, 0, 1, 0xf9, 0x0c, 0, 0, 0, 0, 0, 0, 6])
    expect(view.getUint32(112, true) & (1 << 10)).not.toBe(0)
    expect(new DataView(old.buffer).getUint32(112, true) & (1 << 10)).toBe(0)
    expect(view.getUint32(40, true)).toBe(Number(view.getBigUint64(140, true)))
    expect(view.getBigUint64(132, true)).toBe(0n)
    expect(view.getUint32(36, true) % 64).toBe(0)
    expect(acpi.tableAt(view.getUint32(36, true)).signature).toBe('FACS')
  })

  test('UEFI firmware gets the later FADT alone, with the PIIX4 registers where it has mapped them', () => {
    const acpi = link({ uefi: true, pmBase: 0xb000 })
    const { rsdt, xsdt } = roots(acpi)
    const [one, other] = [rsdt, xsdt].map((root) => acpi.listedBy(root).filter((each) => each.signature === 'FACP'))
    expect([one.length, other.length]).toEqual([1, 1])
    expect(one[0].address).toBe(other[0].address)
    const view = new DataView(one[0].bytes.buffer)
    expect([56, 64, 76, 80].map((at) => view.getUint32(at, true))).toEqual([0xb000, 0xb004, 0xb008, 0xafe0])
    expect([152, 176, 212].map((at) => view.getBigUint64(at, true))).toEqual([0xb000n, 0xb004n, 0xb008n])
  })

  test('the FADT gives the PIIX4 registers', () => {
    const bytes = find(link(), 'FACP').bytes
    const view = new DataView(bytes.buffer)
    expect(view.getUint16(46, true)).toBe(9)
    expect(view.getUint32(48, true)).toBe(0xb2)
    expect([bytes[52], bytes[53]]).toEqual([0xf1, 0xf0])
    expect([56, 64, 76, 80].map((at) => view.getUint32(at, true))).toEqual([0x600, 0x604, 0x608, 0xafe0])
    expect([...bytes.subarray(88, 94)]).toEqual([4, 2, 0, 4, 4, 0])
    // Power button as a fixed feature, no sleep button.
    expect(view.getUint32(112, true) & 0x30).toBe(0x20)
  })

  test('the MADT lists a local APIC per CPU, the I/O APIC and the overrides', () => {
    const bytes = find(link({ cpus: 2 }), 'APIC').bytes
    const entries: number[][] = []
    for (let at = 44; at < bytes.length; at += bytes[at + 1]) entries.push([...bytes.subarray(at, at + bytes[at + 1])])
    expect(entries.filter(([type]) => type === 0).map((entry) => [entry[2], entry[3], entry[4]])).toEqual([
      [0, 0, 1],
      [1, 1, 1],
    ])
    expect(entries.filter(([type]) => type === 1)).toEqual([[1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0]])
    expect(entries.filter(([type]) => type === 2).map((entry) => [entry[3], entry[4], entry[8]])).toEqual([
      [0, 2, 0],
      [5, 5, 0x0d],
      [9, 9, 0x0d],
      [10, 10, 0x0d],
      [11, 11, 0x0d],
    ])
  })

  test('what the machine lacks is not described', () => {
    const acpi = link({ hpet: false, ps2: false, ...aml([rtc(), fwCfg()]) })
    const { xsdt } = roots(acpi)
    expect(acpi.listedBy(xsdt).map((table) => table.signature)).toEqual(['FACP', 'APIC', 'WAET'])
    const text = new TextDecoder('latin1').decode(dsdtOf(acpi).bytes)
    for (const name of ['HPET', 'KBD_', 'MOU_', 'COM1', 'FDC0', 'LPT1']) expect(text).not.toContain(name)
    expect(text).toContain('RTC_')
    // IAPC_BOOT_ARCH loses its 8042 bit.
    expect(find(acpi, 'FACP').bytes[109]).toBe(1)
    expect(find(link(), 'FACP').bytes[109]).toBe(3)
  })

  test('the DSDT changes on purpose only', () => {
    const hash = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
    const { isa, pci } = aml(devices())
    expect(hash(dsdtAml({ cpus: 1, lowMemory: 128 * MIB, isa, pci }))).toBe(
      '4ac0d1a63d9414fbe7f3f651dce79e02c91431fa804a9cb0176970de2602f59c',
    )
    const two = aml(devices(['1.44M', '2.88M']))
    expect(hash(dsdtAml({ cpus: 4, lowMemory: 1024 * MIB, ...two }))).toBe(
      '58db45edd99b79cf9812c152961ac2b330218f03f1b54e8f3dd7c9b9a874cb15',
    )
  })

  test('refuses a number of CPUs the tables cannot name', () => {
    expect(() => link({ cpus: 0 })).toThrow(RangeError)
    expect(() => link({ cpus: 256 })).toThrow(RangeError)
  })

  describe.skipIf(!iasl)('as iasl (package acpica-tools) reads them', () => {
    test('all tables decompile without errors, and the DSDT compiles again', () => {
      const acpi = link({ cpus: 4, ...aml(devices(['1.44M', '2.88M'])) })
      const { rsdt, xsdt } = roots(acpi)
      const tables = [rsdt, xsdt, ...acpi.listedBy(rsdt), ...acpi.listedBy(xsdt)]
      for (const table of tables) expect(decompile(table)).toContain(`"${table.signature}"`)
      const source = decompile(dsdtOf(acpi))
      for (const id of [
        'PNP0A03',
        'PNP0C0F',
        'PNP0B00',
        'PNP0303',
        'PNP0F13',
        'PNP0700',
        'PNP0501',
        'PNP0400',
        'PNP0103',
      ])
        expect(source).toContain(`EisaId ("${id}")`)
      expect(source).toMatch(/Processor \(C003, 0x03, 0x00000000, 0x00\)/)
      expect(source).toMatch(/Name \(\\?_S5, Package \(0x04\)/)
      expect(source).toMatch(/Name \(\\?_S3, Package \(0x04\)[^{]*\{\s*One,\s*One,\s*Zero,\s*Zero/)
      expect(source).toMatch(/Name \(\\?_S4, Package \(0x04\)[^{]*\{\s*0x02,\s*0x02,\s*Zero,\s*Zero/)
      // Drive A: number, CMOS type, last cylinder, sectors.
      expect(source).toMatch(/_FDI, Package \(0x10\)[^{]*\{\s*Zero,\s*0x04,\s*0x4F,\s*0x12,\s*One/)
    })

    test('PCI interrupts rotate over the links, from LNKD at slot 0', () => {
      const source = decompile(dsdtOf(link()))
      const routes = [...source.matchAll(/Package \(0x04\)\s*\{\s*(0x[0-9A-F]+),\s*(\w+),\s*(LNK\w),\s*Zero/g)]
      expect(routes).toHaveLength(128)
      const byAddress = new Map(routes.map(([, address, pin, link]) => [`${address}/${pin}`, link]))
      expect(byAddress.get('0xFFFF/Zero')).toBe('LNKD')
      expect(byAddress.get('0x0001FFFF/Zero')).toBe('LNKS')
      expect(byAddress.get('0x0001FFFF/0x03')).toBe('LNKD')
      expect(byAddress.get('0x0003FFFF/Zero')).toBe('LNKC')
      expect(byAddress.get('0x001FFFFF/One')).toBe('LNKD')
    })

    test('PCI memory begins above RAM', () => {
      expect(decompile(dsdtOf(link({ lowMemory: 512 * MIB })))).toMatch(/0x20000000, +\/\/ Range Minimum/)
      expect(decompile(dsdtOf(link({ lowMemory: 300 * MIB })))).toMatch(/0x13000000, +\/\/ Range Minimum/)
    })
  })
})
