/**
 * gdb on Debian's amd64 kernel with four CPUs, without debug symbols: a breakpoint, a hardware watchpoint on jiffies_64, and
 * back to its last writes. BOOTWRIGHT_LINUX names the folder of linux-modules.ts, for amd64.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { buildInitramfs } from '../../../fixtures/initramfs.js'
import { readSymbolMap } from '../../../machine/debug/symbols/symbol-map.js'
import { noFirmware } from '../../firmware-here.js'
import { bootLinux } from '../../guests/linux-modules.js'
import { bootwright } from './command.js'
import { gdb, haveGdb } from './gdb-here.js'

const root = process.env.BOOTWRIGHT_LINUX ?? ''
const version = existsSync(root)
  ? readdirSync(join(root, 'boot')).find((name) => /^vmlinuz.*amd64$/.test(name))
  : undefined
const folder = mkdtempSync(join(tmpdir(), 'bootwright-gdb-linux-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Addresses as the kernel tells them to root; it stands at the same place in every boot with nokaslr. */
function kallsyms(): Map<string, bigint> {
  const teller = bootLinux(
    [],
    'echo here they are; cat /proc/kallsyms; echo that is all',
    { memory: 512 << 20 },
    'nokaslr quiet',
  )
  teller.until('that is all\r\n', 600)
  const text = teller.serial().split('here they are\r\n')[1].split('that is all\r\n')[0].replaceAll('\r', '')
  teller.machine.close()
  return new Map(readSymbolMap('kallsyms', text).symbols.map(({ name, address }) => [name, address]))
}

test.skipIf(!haveGdb || !version || noFirmware)(
  "back to the last writes of Linux's jiffies",
  async () => {
    const at = kallsyms()
    const address = (name: string) => `0x${(at.get(name) as bigint).toString(16)}`
    const initrd = join(folder, 'initrd')
    const busybox = readFileSync(join(root, 'bin/busybox'))
    const init = '#!/bin/busybox sh\necho init runs\nwhile :; do echo more; done\n'
    writeFileSync(
      initrd,
      buildInitramfs([
        ...['bin', 'dev', 'proc'].map((path) => ({ path })),
        { path: 'bin/busybox', data: busybox, executable: true },
        { path: 'init', executable: true, data: init },
      ]),
    )
    const jiffies = `*(unsigned long*)${address('jiffies_64')}`
    let said = ''
    let used: Promise<void> | undefined
    const args = ['run', '--kernel', join(root, 'boot', version as string), '--initrd', initrd, '--memory', '256M']
    await bootwright([...args, '--append', 'nokaslr console=ttyS0 quiet', '--smp', '4', '--gdb', ':0', '--paused'], {
      onOutput: (text, signal) => {
        const port = /target remote 127\.0\.0\.1:(\d+)/.exec(text)?.[1]
        if (port === undefined) return
        used ??= gdb(Number(port), [
          ...[`hbreak *${address('start_kernel')}`, 'continue', `p $rip == ${address('start_kernel')}`, 'delete'],
          `hbreak *${address('__x64_sys_write')}`,
          ...['continue', 'continue', 'delete', `set $now = ${jiffies}`, 'p $now', 'info threads'],
          ...[`watch ${jiffies}`, 'reverse-continue', 'echo [last]\\n', `p ${jiffies} + 1 == $now`, 'p/x $rip'],
          ...['stepi', `p ${jiffies} == $now`, 'reverse-stepi', `p ${jiffies} + 1 == $now`],
          ...['reverse-continue', 'echo [before]\\n', `p ${jiffies} + 2 == $now`, 'continue', 'continue'],
          ...['echo [again]\\n', `p ${jiffies} == $now`, 'delete', 'monitor info history', 'detach'],
        ]).then((text) => {
          said = text
          signal('SIGINT')
        })
      },
    })
    await used
    expect(said).toMatch(/\$1 = 1\n/)
    expect(said).toMatch(/CPU#3 \[(halted|running)\]/)
    expect(said).toMatch(
      /\[last\]\n\$\d = 1\n[\s\S]*= 1\n[\s\S]*= 1\n[\s\S]*\[before\]\n\$\d = 1\n[\s\S]*\[again\]\n\$\d = 1\n/,
    )
  },
  1_800_000,
)
