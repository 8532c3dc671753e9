/**
 * QEMU's test-i386, which v86 has in tests/qemu: a program that executes the user's instructions in many ways, segments,
 * virtual-8086 mode and signals among them, and prints what came out. `npm run conformance -- v86-qemu FOLDER` takes the
 * folder where `make test-i386` was run. The program is the only process of a Linux kernel on the soft engine, its output
 * goes through COM1, and has to be, line by line, what it prints as a process of this host's CPU.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createMachine } from '../../../machine/create-machine.js'
import { findFirmware } from '../../../machine/firmware/find-firmware.js'
import { compareLines, LEFT_OPEN } from './compare.js'
import { cpioArchive, S_IFCHR, S_IFDIR, S_IFREG } from './cpio.js'

const MEMORY_MIB = 256
/** Five million characters at 115,200 bit/s. */
const GUEST_SECONDS = 900
const KERNEL = '/usr/lib/debian-installer/images/12/i386/text/debian-installer/i386/linux'
/** The kernel's last word, when its only process has ended. */
const END = /---\[ end Kernel panic .*\]---/

export function v86Qemu(args: string[]): number {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      kernel: { type: 'string', default: KERNEL },
      cpu: { type: 'string', default: 'max' },
      timeout: { type: 'string', default: '1800' },
      show: { type: 'string', default: '20' },
    },
  })
  const folder = positionals[0]
  const file = join(folder ?? '', 'test-i386')
  if (folder === undefined || !existsSync(file))
    throw new Error("v86-qemu needs the folder tests/qemu of v86's checkout, where test-i386 has been built")
  if (!existsSync(values.kernel))
    throw new Error(
      `There is no ${values.kernel}: install debian-installer-12-netboot-i386, or name a 32-bit Linux kernel with --kernel.`,
    )
  // -X: its data may be executed, as on a 32-bit kernel without NX.
  const reference = spawnSync('setarch', ['-X', file], { encoding: 'latin1', maxBuffer: 1 << 28, timeout: 60e3 })
  if (reference.status !== 0 || !reference.stdout)
    throw new Error(`test-i386 does not run on this host: ${reference.error?.message ?? `status ${reference.status}`}`)

  const output = runInLinux(readFileSync(file), values.kernel, values.cpu, Number(values.timeout))
  const results = compareLines(reference.stdout, output)
  let failed = 0
  let shown = 0
  for (const { name, lines, differences } of results) {
    if (differences.length === 0) continue
    failed++
    console.log(`failed   ${name}: ${differences.length} of ${lines} lines`)
    for (const { expected, actual } of differences) {
      if (++shown > Number(values.show)) break
      console.log(`  expected ${expected ?? '(nothing)'}\n  actual   ${actual ?? '(nothing)'}`)
    }
  }
  const lines = results.reduce((sum, result) => sum + result.lines, 0)
  const wrong = results.reduce((sum, result) => sum + result.differences.length, 0)
  for (const { lines, why } of LEFT_OPEN) {
    const count = reference.stdout.split('\n').filter((line) => lines.test(line)).length
    console.log(`skipped  ${count} lines: ${why} (left open by the manual)`)
  }
  console.log(
    `\n${results.length} instructions and groups: ${results.length - failed} passed, ${failed} failed; ${lines - wrong} of ${lines} lines equal`,
  )
  return failed
}

/** What the program prints as /init. */
function runInLinux(program: Uint8Array, kernel: string, cpu: string, hostSeconds: number): string {
  const { bios, vgaBios } = findFirmware()
  const initrd = cpioArchive([
    { name: 'dev', mode: S_IFDIR | 0o755 },
    { name: 'dev/console', mode: S_IFCHR | 0o600, device: [5, 1] },
    { name: 'init', mode: S_IFREG | 0o755, data: program },
  ])
  const output: string[] = []
  let tail = ''
  const pc = createMachine({
    engine: 'soft',
    cpu,
    memory: MEMORY_MIB << 20,
    floppies: [],
    disks: [],
    kernel: { image: readFileSync(kernel), name: kernel, initrd, append: 'console=ttyS0,115200 quiet panic=0' },
    firmware: { bios: readFileSync(bios.path), vgaBios: readFileSync(vgaBios.path) },
    onSerial: (port, byte) => {
      if (port !== 0) return
      output.push(String.fromCharCode(byte))
      tail = `${tail}${output.at(-1)}`.slice(-120)
    },
  })
  const deadline = performance.now() + hostSeconds * 1000
  try {
    while (!END.test(tail)) {
      const exit = pc.run(pc.now() + 100e6)
      if (exit) throw new Error(`Linux ended by ${exit.reason}, after ${output.length} bytes on COM1`)
      if (pc.now() > GUEST_SECONDS * 1e9 || performance.now() > deadline)
        throw new Error(`time-out: test-i386 has not ended, after ${output.length} bytes on COM1`)
    }
  } finally {
    pc.close()
  }
  return output.join('').replaceAll('\r', '')
}
