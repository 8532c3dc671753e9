/**
 * Debian's own kernel for i386 with single modules, in an initramfs of busybox: drives a device with the driver that
 * users run. BOOTWRIGHT_LINUX names a folder in which the packages linux-image-*-686 and busybox-static are unpacked
 * (`apt-get download`, `dpkg-deb -x`).
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildInitramfs, type InitramfsEntry } from '../../fixtures/initramfs.js'
import { createMachine } from '../../machine/create-machine.js'
import { findFirmware, findOptionRom } from '../../machine/firmware/find-firmware.js'
import type { Machine, MachineOptions } from '../../machine/machine.js'

const root = process.env.BOOTWRIGHT_LINUX

export const haveLinux = root !== undefined

/** Whether the kernel has these modules: one for amd64 has none for cards of ISA. */
export function haveModules(names: readonly string[]): boolean {
  if (root === undefined) return false
  const files = readdirSync(join(root, 'lib/modules'), { recursive: true }) as string[]
  return names.every((name) => files.some((file) => file.endsWith(`/${name}.ko`)))
}

/** Of the kernel's programs. */
export function linuxBits(): 32 | 64 {
  return root !== undefined && readdirSync(join(root, 'lib/modules'))[0].endsWith('-amd64') ? 64 : 32
}

export interface Linux {
  machine: Machine
  /** All that came by COM1. */
  serial(): string
  /** Runs until this text has come; throws at a machine's end or after so much guest time. */
  until(text: string, seconds: number): void
}

/** What it needs is loaded first, in the order that this kernel's modules name: others depend on one another otherwise. */
const INSMOD = [
  'insmod() { name=$(basename $1 .ko)',
  '  [ -e /needed/$name ] || { busybox insmod "$@"; return; }',
  '  shift; for needed in $(cat /needed/$name); do',
  '    grep -q "^$(echo $needed | tr - _) " /proc/modules && continue',
  '    if [ $needed = $name ]; then busybox insmod /$needed.ko "$@"; else busybox insmod /$needed.ko; fi',
  '  done; }',
].join('\n')

/** `commands` run as init with busybox's applets at hand; `insmod /NAME.ko` finds the modules that are named here. */
export function bootLinux(
  modules: string[],
  commands: string,
  options: Partial<MachineOptions>,
  append = '',
  files: readonly InitramfsEntry[] = [],
): Linux {
  if (!root) throw new Error('BOOTWRIGHT_LINUX names no folder')
  const version = readdirSync(join(root, 'lib/modules'))[0]
  const tree = join(root, 'lib/modules', version, 'kernel')
  const paths = readdirSync(tree, { recursive: true }) as string[]
  const found = new Map<string, Buffer>()
  const moduleFile = (name: string) => {
    const path = paths.find((one) => one.endsWith(`/${name}.ko`))
    if (!path) throw new Error(`the kernel has no module ${name}`)
    const data = found.get(name) ?? readFileSync(join(tree, path))
    found.set(name, data)
    return data
  }
  /** All that it needs, what is needed first, and itself. */
  const needed = (name: string): string[] => {
    const [, names] = /\0depends=([^\0]*)\0/.exec(moduleFile(name).toString('latin1')) as RegExpExecArray
    return [...new Set([...names.split(',').filter(Boolean).flatMap(needed), name])]
  }
  const order = new Map(modules.map((name) => [name, needed(name)]))
  const initrd = buildInitramfs([
    ...['bin', 'dev', 'proc', 'sys'].map((path) => ({ path })),
    { path: 'bin/busybox', data: readFileSync(join(root, 'bin/busybox')), executable: true },
    ...files,
    { path: 'needed' },
    ...[...order].map(([name, names]) => ({ path: `needed/${name}`, data: Buffer.from(names.join(' ')) })),
    ...[...found].map(([name, data]) => ({ path: `${name}.ko`, data })),
    {
      path: 'init',
      executable: true,
      data: [
        '#!/bin/busybox sh',
        '/bin/busybox --install -s /bin',
        'export PATH=/bin; mount -t proc none /proc; mount -t sysfs none /sys; mount -t devtmpfs none /dev',
        INSMOD,
        commands,
        'echo all done; sleep 1000000',
      ].join('\n'),
    },
  ])
  const name = `vmlinuz-${version}`
  const { bios, vgaBios } = findFirmware()
  let output = ''
  const machine = createMachine({
    engine: 'soft',
    memory: 192 << 20,
    floppies: [],
    disks: [],
    firmware: {
      bios: readFileSync(bios.path),
      vgaBios: readFileSync(vgaBios.path),
      // Cards boot nothing here.
      file: (rom) => (rom.endsWith('.rom') ? undefined : readFileSync(findOptionRom(rom).path)),
    },
    kernel: {
      image: readFileSync(join(root, 'boot', name)),
      name,
      initrd,
      append: `console=tty0 console=ttyS0 ${append}`,
    },
    onSerial: (port, byte) => {
      if (port === 0) output += String.fromCharCode(byte)
    },
    ...options,
  })
  return {
    machine,
    serial: () => output,
    until(text, seconds) {
      for (const end = machine.now() + seconds * 1e9; !output.includes(text); ) {
        const exit = machine.run(machine.now() + 0.25e9)
        if (exit) throw new Error(`${exit.reason} ${exit.detail ?? ''}\n${output}`)
        if (machine.now() > end) throw new Error(`no '${text}' within ${seconds} s of guest time:\n${output}`)
      }
    },
  }
}
