/**
 * Debian's amd64 kernel, which moves itself to another place in every boot (KASLR): a crash is named by the symbols that
 * /proc/kallsyms showed in another boot. BOOTWRIGHT_LINUX names the folder of linux-modules.ts, for amd64.
 */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readSymbolMap } from '../../machine/debug/symbols/symbol-map.js'
import { noFirmware } from '../firmware-here.js'
import { bootLinux } from './linux-modules.js'

const root = process.env.BOOTWRIGHT_LINUX
const isAmd64 =
  root !== undefined && existsSync(root) && readdirSync(join(root, 'boot')).some((name) => name.endsWith('amd64'))
const CRASH = 'echo 1 > /proc/sys/kernel/sysrq; echo c > /proc/sysrq-trigger'
const MEMORY = { memory: 512 << 20 }

test.skipIf(!isAmd64 || noFirmware)('a panic of Linux has names, wherever the kernel has moved itself', () => {
  const teller = bootLinux([], 'echo here they are; cat /proc/kallsyms; echo that is all', MEMORY, 'nokaslr quiet')
  teller.until('that is all\r\n', 600)
  const text = teller.serial().split('here they are\r\n')[1].split('that is all\r\n')[0].replaceAll('\r', '')
  teller.machine.close()
  const file = readSymbolMap('kallsyms', text)
  const entry = file.symbols.find(({ name }) => name === 'entry_SYSCALL_64')
  expect(entry?.address).toBeGreaterThan(0xffffffff81000000n)

  const crashed = bootLinux([], CRASH, { ...MEMORY, symbols: [{ file }] }, 'kaslr')
  crashed.until('end Kernel panic', 600)
  const { backtraces } = crashed.machine.report()
  const serial = crashed.serial()
  crashed.machine.close()
  // The kernel says itself by how much it has moved.
  const [, moved] = /Kernel Offset: (0x[\da-f]+) from/.exec(serial) ?? []
  expect(Number(moved)).toBeGreaterThan(0)
  const [{ frames }] = backtraces
  const calls = frames.map(({ symbol }) => symbol)
  expect(calls).toContain('panic')
  expect(calls).toContain('sysrq_handle_crash')
})
