/** Goes over every option of the table on every surface: a row that one of them forgets fails here. */
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { fromQemu } from '../../../harness/cli/qemu-options.js'
import { parseRun } from '../../../harness/cli/run-options.js'
import { launchOptions } from '../../../harness/cli/verbs/codegen.js'
import { runCommand } from '../../../harness/cli/verbs/run.js'
import { Recording } from '../../../harness/codegen/recording.js'
import { testText } from '../../../harness/codegen/write-test.js'
import type { MachineConfig } from '../../../harness/config/machine-config.js'
import { SavedConfig } from '../../../harness/config/saved-config.js'
import { defineGuest, guestMachine } from '../../../harness/guest/guest.js'
import { file } from '../../../harness/guest/guest-media.js'
import {
  MACHINE_OPTIONS,
  MACHINE_ROWS,
  type MachineOptionName,
  type MachineValues,
} from '../../../harness/options/machine-spec.js'
import { attributeOf, DRIVE_FLAG, FLAGS, matrixColumn, NETDEV_FLAG } from '../../../harness/options/read-options.js'
import { stageKey } from '../../../harness/stages/stage-store.js'
import { machineConfig } from '../../../harness/vm/launch.js'
import { flagsOf, request } from './typed.js'

const folder = mkdtempSync(join(tmpdir(), 'bootwright-options-'))
/** A file of its own contents. */
const made = (name: string) => {
  const path = join(folder, name)
  writeFileSync(path, name.padEnd(65536))
  return path
}
const [floppy, other, cdrom, disk, kernel, initrd, bios] = ['f', 'g', 'cd', 'disk', 'kernel', 'initrd', 'bios'].map(
  made,
)

interface Example {
  /** What is typed after the flag; several for an option that may be given several times. */
  typed: string[]
  /** Typed behind that: a flag that says more of the same. */
  beside?: string[]
  /** QEMU's way to say it. */
  qemu?: string[]
  /** For launch(). */
  value: unknown
  /** What it makes of the machine. */
  config: Partial<MachineConfig>
  /** Options that it needs beside it. */
  with?: MachineValues
  /** What codegen writes. */
  written: string
}

/** One for each row: the type has them all. */
const EXAMPLES: { readonly [name in MachineOptionName]: Example } = {
  floppy: {
    typed: [floppy, other],
    qemu: ['-fda', floppy, '-fdb', other],
    value: [floppy, other],
    config: { floppies: [{ path: floppy }, { path: other }] },
    written: `floppy: ['${floppy}', '${other}']`,
  },
  cdrom: {
    typed: [cdrom],
    qemu: ['-cdrom', cdrom],
    value: cdrom,
    config: { cdrom: { path: cdrom } },
    written: `cdrom: '${cdrom}'`,
  },
  disks: {
    typed: [disk],
    qemu: ['-drive', `file=${disk},if=ide,media=disk`],
    value: disk,
    config: { disks: [{ path: disk }] },
    written: `disks: ['${disk}']`,
  },
  kernel: {
    typed: [kernel],
    qemu: ['-kernel', kernel],
    value: kernel,
    config: { kernel: { path: kernel } },
    written: `kernel: '${kernel}'`,
  },
  initrd: {
    typed: [initrd],
    qemu: ['-initrd', initrd],
    value: initrd,
    with: { kernel },
    config: { kernel: { path: kernel, initrd } },
    written: `initrd: '${initrd}'`,
  },
  append: {
    typed: ['quiet'],
    qemu: ['-append', 'quiet'],
    value: 'quiet',
    with: { kernel },
    config: { kernel: { path: kernel, append: 'quiet' } },
    written: "append: 'quiet'",
  },
  boot: {
    typed: ['order=ac,menu=on,splash-time=500'],
    qemu: ['-boot', 'order=ac,menu=on,splash-time=500'],
    value: 'order=ac,menu=on,splash-time=500',
    config: { bootOrder: 'ac', bootMenu: { waitMs: 500 } },
    written: "boot: 'order=ac,menu=on,splash-time=500'",
  },
  fdCheck: {
    typed: [],
    qemu: ['-no-fd-bootchk'],
    value: false,
    config: { floppyCheck: false },
    written: 'fdCheck: false',
  },
  bios: {
    typed: [bios],
    qemu: ['-bios', bios],
    value: bios,
    config: { firmware: { bios } },
    written: `bios: '${bios}'`,
  },
  firmware: {
    typed: ['uefi'],
    value: 'uefi',
    config: { firmware: { uefi: true } },
    written: "firmware: 'uefi'",
  },
  engine: {
    typed: ['soft'],
    qemu: ['-accel', 'tcg,thread=single'],
    value: 'soft',
    config: { engine: 'soft' },
    written: "engine: 'soft'",
  },
  cpu: {
    typed: ['pentium3,+sse2'],
    qemu: ['-cpu', 'pentium3,+sse2'],
    value: 'pentium3,+sse2',
    config: { cpu: 'pentium3,+sse2' },
    written: "cpu: 'pentium3,+sse2'",
  },
  smp: {
    typed: ['cpus=4'],
    qemu: ['-smp', '4,sockets=1,cores=4'],
    value: 4,
    config: { cpus: 4 },
    written: 'smp: 4',
  },
  memory: {
    typed: ['64M'],
    qemu: ['-m', 'size=64M,slots=2'],
    value: '64M',
    config: { memory: 64 << 20 },
    written: "memory: '64M'",
  },
  overlayLimit: {
    typed: ['2G'],
    value: '2G',
    config: { overlayLimit: 2 ** 31 },
    written: "overlayLimit: '2G'",
  },
  vga: { typed: ['none'], qemu: ['-vga', 'none'], value: 'none', config: { vga: 'none' }, written: "vga: 'none'" },
  devices: {
    typed: ['isa-debug-exit,iobase=0x501', 'pc-testdev'],
    qemu: ['-device', 'isa-debug-exit,iobase=0x501', '-device', 'pc-testdev'],
    value: ['isa-debug-exit,iobase=0x501', 'pc-testdev'],
    config: { devices: [{ type: 'isa-debug-exit', options: { iobase: '0x501' } }, { type: 'pc-testdev' }] },
    written: "devices: ['isa-debug-exit,iobase=0x501', 'pc-testdev']",
  },
  nic: {
    typed: ['ne2k_isa,irq=10,link=off', 'ne2k_isa,net=none,iobase=0x340'],
    qemu: [
      '-nic',
      'user,restrict=on,model=ne2k_isa,irq=10,link=off',
      '-netdev',
      'none,id=n',
      '-device',
      'ne2k_isa,netdev=n,iobase=0x340',
    ],
    value: ['ne2k_isa,irq=10,link=off', { type: 'ne2k_isa', net: 'none', options: { iobase: '0x340' } }],
    config: {
      nics: [
        { type: 'ne2k_isa', id: 'net0', mac: '52:54:00:12:34:56', net: 'lan', link: false, options: { irq: '10' } },
        { type: 'ne2k_isa', id: 'net1', mac: '52:54:00:12:34:57', net: 'none', options: { iobase: '0x340' } },
      ],
    },
    written: "nic: ['ne2k_isa,irq=10,link=off', 'ne2k_isa,net=none,iobase=0x340']",
  },
  network: {
    typed: [`/preseed.cfg=${kernel}`, folder],
    beside: ['--tftp', `${folder},bootfile=pxelinux.0`],
    value: { http: { '/preseed.cfg': kernel, '/': folder }, tftp: folder, bootfile: 'pxelinux.0' },
    with: { nic: 'ne2k_isa' },
    config: {
      network: {
        http: { '/preseed.cfg': { path: kernel }, '/': { path: folder } },
        tftp: folder,
        bootFiles: { bios: 'pxelinux.0' },
      },
    },
    written: `network: { http: { '/preseed.cfg': '${kernel}', '/': '${folder}' }, tftp: '${folder}', bootfile: 'pxelinux.0' }`,
  },
  symbols: {
    typed: [`${kernel}@0x100000`, initrd],
    value: [`${kernel}@0x100000`, { path: initrd }],
    config: { symbols: [{ path: kernel, at: '0x100000' }, { path: initrd }] },
    written: `symbols: ['${kernel}@0x100000', '${initrd}']`,
  },
  coverage: {
    typed: [`${kernel}@0x100000`, initrd],
    value: [`${kernel}@0x100000`, { path: initrd }],
    config: { coverage: [{ path: kernel, at: '0x100000' }, { path: initrd }] },
    written: `coverage: ['${kernel}@0x100000', '${initrd}']`,
  },
  epoch: {
    typed: ['2026-01-31T12:00:00'],
    qemu: ['-rtc', 'base=2026-01-31T12:00:00,clock=vm'],
    value: 1769860800,
    config: { epoch: 1769860800 },
    written: 'epoch: 1769860800',
  },
}

const typedArgs = (name: MachineOptionName, { typed, beside = [] }: Example) => {
  const { long } = MACHINE_OPTIONS[name].flag
  return [...(typed.length === 0 ? [long] : typed.flatMap((text) => [long, text])), ...beside]
}
const beside = (example: Example) =>
  Object.entries(example.with ?? {}).flatMap(([name, value]) => [`--${name}`, String(value)])
const sample = (machine: object) =>
  defineGuest({
    ...{ name: 'sample', title: 'Sample', family: 'hobby', licence: 'MIT' },
    machine: { floppies: [file(floppy)], ...machine },
    levels: [{ name: 'kernel', title: 'a banner', until: { kind: 'exit' } }],
  })

describe.each(Object.entries(EXAMPLES) as [MachineOptionName, Example][])('%s', (name, example) => {
  const option = MACHINE_OPTIONS[name]
  const launched = async (more: object) => machineConfig({ floppy, ...example.with, ...more })

  test('on the command line, by its own flag and by QEMU’s', () => {
    const args = [...beside(example), ...typedArgs(name, example)]
    expect(request(args).machine).toMatchObject(example.config)
    if (!example.qemu) return
    expect(request([...beside(example), ...fromQemu(example.qemu, () => false)]).given).toEqual(request(args).given)
  })

  test('in help', () => {
    expect(runCommand().helpInformation()).toContain(option.flag.long)
    expect(flagsOf(typedArgs(name, example))).toHaveProperty(attributeOf(option.flag.long))
  })

  test('in launch()', async () => {
    expect(await launched({ [name]: example.value })).toMatchObject(example.config)
    await expect(launched({ [name]: () => {} })).rejects.toThrow(new RegExp(`^${name} is a function; it must be `))
  })

  test('in a guest’s machine', async () => {
    if (option.guest === false) return
    const own = option.guest ?? name
    expect(await guestMachine(sample({ [own]: example.value }))).toMatchObject(example.config)
    expect(() => sample({ [own]: () => {} })).toThrow(`machine.${own} is a function; it must be `)
  })

  test('in what codegen writes, which launches the same machine', async () => {
    const typed = parseRun(
      undefined,
      flagsOf(
        [...beside(example), '--floppy', floppy, ...typedArgs(name, example)].filter(
          (_, i, all) => name !== 'floppy' || i >= all.length - 4,
        ),
      ),
      [],
    )
    const options = launchOptions(undefined, typed)
    expect(testText('a', options, new Recording('a'))).toContain(`\n  ${example.written},\n`)
    expect(await machineConfig(options)).toMatchObject(example.config)
  })

  test('in snapshot files and recordings', () => {
    expect(SavedConfig.parse(JSON.parse(JSON.stringify(example.config)))).toEqual(
      JSON.parse(JSON.stringify(example.config)),
    )
  })

  test('of a snapshot’s machine, as the table says', () => {
    // The snapshot has the cards.
    const { nic: _, ...others } = example.with ?? {}
    const needed = beside({ ...example, with: others })
    const parse = () => parseRun(undefined, { ...flagsOf([...needed, ...typedArgs(name, example)]), snapshot: 's' }, [])
    if (option.snapshot === 'own') expect(parse).toThrow(/is the snapshot's own, 's'; leave it out$/)
    else expect(parse().machine).toEqual(example.config)
  })

  test('in a stage’s key', async () => {
    const key = async (config: MachineConfig) => stageKey({ name: 's', config, parent: undefined, steps: '' })
    const base: MachineConfig = example.with?.kernel ? { kernel: { path: kernel } } : {}
    expect(await key({ ...base, ...example.config })).not.toBe(await key(base))
  })
})

test('examples say all that can be said', () => {
  expect(Object.keys(EXAMPLES).sort()).toEqual(MACHINE_ROWS.map(([name]) => name).sort())
})

test('every flag of a machine is typed in an example, or below', () => {
  const typed = (Object.entries(EXAMPLES) as [MachineOptionName, Example][]).flatMap(([name, one]) =>
    typedArgs(name, one),
  )
  const others = [DRIVE_FLAG.long, NETDEV_FLAG.long]
  expect(FLAGS.map(({ long }) => long as string).filter((long) => !typed.includes(long))).toEqual(others)
})

test('the matrix has a column for another machine than the standard PC', () => {
  expect(matrixColumn({})).toEqual({ id: 'standard', title: 'standard PC' })
  expect(matrixColumn({ vga: 'VGA', memory: 1 })).toEqual({ id: 'standard', title: 'standard PC' })
  expect(matrixColumn({ vga: 'none', devices: [{ type: 'pc-testdev' }] }).id).toBe('no display; pc-testdev')
})

describe('what no machine can be is refused alike on every surface', () => {
  const five = Array(5).fill(disk)
  test.each<[string, object, RegExp]>([
    [
      'a fifth IDE disk',
      { disks: five },
      /IDE has four places, and none is left for the disk 'disk4'; give it by --drive with if=virtio/,
    ],
    ['a boot order of four', { boot: 'acdn' }, /^boot 'acdn' is no boot order/],
    ['a letter twice', { boot: 'aa' }, /^boot 'aa' is no boot order/],
    ['a misspelt part', { boot: 'ordr=a' }, /^boot 'ordr=a': there is no 'ordr'; did you mean 'order'\?/],
    ['half a CPU', { smp: 1.5 }, /^smp '1.5' is no number of CPUs/],
    ['CPUs in words', { smp: Number.NaN }, /^smp is NaN; it must be a whole number/],
    [
      'an unknown part of a medium',
      { floppy: { path: floppy, writ: true } },
      /^floppy has no 'writ'; did you mean 'write'\?|^floppy is an object; it must be a path/,
    ],
    ['an unknown device', { devices: ['isa-debug-exi'] }, /^devices isa-debug-exi: .* did you mean 'isa-debug-exit'\?/],
    ['an unknown part of a device', { devices: [{ typ: 'hpet' }] }, /^devices/],
    ['an unknown option of a device', { devices: ['isa-debug-exit,iobas=1'] }, /did you mean 'iobase'\?/],
    [
      'a value that does not fit',
      { devices: ['isa-debug-exit,iobase=0x10000'] },
      /iobase is '0x10000'; it must be at most 0xffff$/,
    ],
    [
      'a value that is no number',
      { devices: ['isa-debug-exit,iobase=x'] },
      /iobase is 'x'; it must be a number, as in 0x501$/,
    ],
    ['a drive as a device', { devices: ['ide-hd'] }, /give the image by --drive/],
    [
      'an unknown card',
      { nic: 'ne2k_isaa' },
      /^nic ne2k_isaa: there is no network card 'ne2k_isaa'; did you mean 'ne2k_isa'\?/,
    ],
    ['a card that is none', { nic: 'hpet' }, /^nic hpet: hpet is no network card; cards are .*ne2k_isa/],
    [
      'an unknown option of a card',
      { nic: 'ne2k_isa,irk=9' },
      /^nic ne2k_isa: ne2k_isa has no option 'irk'; did you mean 'irq'\?/,
    ],
    ['a bridge', { nic: 'ne2k_isa,net=tap' }, /^nic ne2k_isa,net=tap: there is no net 'tap'; cards are plugged into/],
    [
      'a rule where nothing goes out',
      { nic: 'ne2k_isa,allow=127.0.0.1' },
      /: hostfwd, guestfwd, allow and restrict are of net=user/,
    ],
    ['a forward that is none', { nic: 'ne2k_isa,net=user,hostfwd=2222' }, /hostfwd '2222' is no rule; write it as in/],
    ['one from no port', { nic: 'ne2k_isa,net=user,hostfwd=tcp::70000-:1' }, /has 70000, which is no port of the host/],
    ['one to no port', { nic: 'ne2k_isa,net=user,hostfwd=tcp::7-:0' }, /has 0, which is no port of the guest/],
    ['one at a name', { nic: 'ne2k_isa,net=user,hostfwd=tcp:here:7-:7' }, /has 'here', which is no address/],
    [
      'one port forwarded twice',
      { nic: 'ne2k_isa,net=user,hostfwd=tcp::7-:7,hostfwd=tcp::7-:8' },
      /port 7 of 127\.0\.0\.1 is forwarded twice/,
    ],
    ['a name that is let out to', { nic: 'ne2k_isa,net=user,allow=localhost' }, /allow 'localhost' is no address/],
    [
      'too much of a network',
      { nic: 'ne2k_isa,net=user,allow=10.0.0.0/33' },
      /has 33 bits of network; there are up to 32/,
    ],
    [
      'one of no protocol',
      { nic: 'ne2k_isa,net=user,hostfwd=sctp::1-:1' },
      /no protocol that is known; write tcp or udp/,
    ],
    ['a guestfwd that is none', { nic: 'ne2k_isa,net=user,guestfwd=10.0.2.100' }, /guestfwd '10.0.2.100' is no rule/],
    ...(
      [
        ['udp:10.0.2.100:1-cmd:x', /is not of TCP/],
        ['tcp:10.0.2.2:1-cmd:x', /has '10.0.2.2', which is no address of the LAN that is free/],
        ['tcp:192.168.1.1:1-cmd:x', /has '192.168.1.1', which is no address of the LAN/],
        ['tcp::0-cmd:x', /has 0, which is no port/],
        ['tcp::1-cmd:', /names no program/],
        ['tcp::1-unix:/tmp/x', /leads to 'unix:\/tmp\/x', which cannot be; write -tcp:HOST:PORT or -cmd:PROGRAM/],
        ['tcp::1-tcp:localhost:99999', /has 99999, which is no port of the host/],
        ['tcp::1-cmd:x,guestfwd=tcp::1-cmd:y', /port 1 of 10.0.2.4 is forwarded twice/],
      ] as const
    ).map(([rule, sentence]): [string, object, RegExp] => [
      rule,
      { nic: `ne2k_isa,net=user,guestfwd=${rule}` },
      sentence,
    ]),
    [
      'nothing and something let out',
      { nic: { type: 'ne2k_isa', net: 'user', restrict: true, allow: '127.0.0.1' } },
      /restrict lets nothing out, and allow names what may go/,
    ],
    ['an address of a group', { nic: 'ne2k_isa,mac=01:00:5e:00:00:01' }, /mac '01:00:5e:00:00:01' is of a group/],
    ['half an address', { nic: 'ne2k_isa,mac=52:54' }, /mac '52:54' is no address; it has six bytes/],
    [
      'two cards with one address',
      { nic: ['ne2k_isa,mac=52:54:00:00:00:01', 'ne2k_isa,iobase=0x320,mac=52:54:00:00:00:01'] },
      /^nic: two cards have the address 52:54:00:00:00:01/,
    ],
    ['two cards with one id', { nic: ['ne2k_isa,id=a', 'ne2k_isa,id=a'] }, /^nic: two cards have the id 'a'/],
    ['two cards with one file', { nic: ['ne2k_isa,pcap=a', 'ne2k_isa,pcap=a'] }, /^nic: two cards write to 'a'/],
    ['a link in words', { nic: 'ne2k_isa,link=down' }, /link is on or off, not 'down'$/],
    ['a device of a net that is not there', { devices: 'ne2k_isa,netdev=n' }, /there is no --netdev with the id 'n'/],
    ['an unknown adapter', { vga: 'qxl' }, /^vga 'qxl' is no display adapter of this machine; it has std, /],
  ])('%s', async (_, options, sentence) => {
    await expect(machineConfig({ floppy, ...options })).rejects.toThrow(sentence)
    const { disks: __, floppy: ___, ...machine } = options as { disks?: unknown; floppy?: unknown; smp?: number }
    if (Object.keys(machine).length === 0) return
    const { smp, ...others } = machine
    expect(() => sample({ ...others, ...(smp !== undefined && { cpus: smp }) })).toThrow(/^guest 'sample': machine\./)
  })
})

test('what ends a wait early is said on the command line, and written by codegen', () => {
  expect(request(['--fail-on', 'ASSERT', '--fail-on', '/not ok/i']).failOn).toEqual([
    { source: 'ASSERT', flags: '' },
    { source: 'not ok', flags: 'i' },
  ])
  expect(request(['--no-fail-on']).failOn).toBe(false)
  expect(request([]).failOn).toBeUndefined()
  const options = launchOptions('freedos', request(['--fail-on', 'ASSERT']))
  expect(testText('a', options, new Recording('a'))).toContain('failOn: [/ASSERT/],')
})
