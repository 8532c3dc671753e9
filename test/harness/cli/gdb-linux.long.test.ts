/**
 * gdb on Debian's amd64 kernel with four CPUs, from the reset on: real mode, 32 and 64 bits in one session, breakpoints, a
 * hardware watchpoint on jiffies, and back to its last writes; with the kernel's debug symbols, and without any. BOOTWRIGHT_LINUX
 * names the folder of linux-modules.ts, for amd64; vmlinux lies where the package that ends in -dbg has it.
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

/** A system that calls write() for ever, on four CPUs; and all that gdb says of it. */
async function debugLinux(commands: readonly string[], file?: string): Promise<string> {
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
  let said = ''
  let used: Promise<void> | undefined
  const args = ['run', '--kernel', join(root, 'boot', version as string), '--initrd', initrd, '--memory', '256M']
  await bootwright([...args, '--append', 'nokaslr console=ttyS0 quiet', '--smp', '4', '--gdb', ':0', '--paused'], {
    onOutput: (text, signal) => {
      const port = /target remote 127\.0\.0\.1:(\d+)/.exec(text)?.[1]
      if (port === undefined) return
      used ??= gdb(Number(port), commands, file && `file ${file}`).then((text) => {
        said = text
        signal('SIGINT')
      })
    },
  })
  await used
  return said
}

const vmlinux = version && join(root, 'usr/lib/debug/boot', version.replace('vmlinuz', 'vmlinux'))

test.skipIf(!haveGdb || !vmlinux || !existsSync(vmlinux) || noFirmware)(
  "with Debian's debug symbols, through all modes, to a system call, and back to the last writes of jiffies",
  async () => {
    const heard = await debugLinux(
      [
        ...['p/x $cs_base + $rip', 'stepi', 'stepi', 'p/x $cs_base + $rip', 'monitor x/i $eip'],
        ...['set osabi none', 'set architecture i8086', 'x/i $cs_base + $eip', 'hbreak *0x100000', 'continue'],
        ...['set architecture i386', 'x/2i $pc', 'set architecture i386:x86-64', 'set osabi auto'],
        ...['p/x $cs', 'p $cr0 & 1', 'p $efer & 0x400', 'stepi', 'p/x $rip', 'delete'],
        ...['hbreak start_kernel', 'continue', 'echo [start]\\n', 'backtrace 1', 'info threads', 'delete'],
        ...['hbreak ksys_write', 'continue', 'echo [write]\\n', 'backtrace 4', 'p count', 'p *buf@10', 'finish'],
        ...['echo [threads]\\n', 'info threads', 'delete', 'watch jiffies', 'continue', 'set $then = jiffies'],
        ...[
          'continue',
          'echo [jiffies]\\n',
          'p jiffies - $then',
          'backtrace 1',
          'reverse-continue',
          'reverse-continue',
        ],
        ...['echo [back]\\n', 'p $then - jiffies', 'backtrace 1', 'continue', 'echo [again]\\n', 'p jiffies - $then'],
        ...['delete', 'p init_task.comm', 'monitor info history', 'detach'],
      ],
      vmlinux,
    )
    // That it has no sources gdb says on its standard error, in the middle of other lines.
    const said = heard.replaceAll(/\d+\t(in )?\S+?\.[chS](: No such file or directory\.)?\n/g, '')
    expect(said).toMatch(/\$1 = 0xfffffff0\n[\s\S]*\$2 = 0xfe062\n0x000fe062: .* jne /)
    expect(said).toMatch(/i8086"\.\n +0xfe062:\tjne +0xfd09c\n[\s\S]*i386"\.\n=> 0x100000:\tcld *\n +0x100001:\tcli/)
    expect(said).toMatch(/\$3 = 0x10\n\$4 = 1\n\$5 = 0\n[\s\S]*\$6 = 0x100001\n/)
    expect(said).toMatch(/\[start\]\n#0 +start_kernel \(\) at init\/main\.c:\d+\n/)
    expect(said).toMatch(/\[write\]\n#0 +ksys_write \(fd=1, .* "init runs\\n", count=10\) at fs\/read_write\.c:\d+\n/)
    expect(said).toMatch(
      /#3 .* entry_SYSCALL_64 [\s\S]*\$7 = 10\n\$8 = "init runs\\n"\n[\s\S]*Value returned is \$9 = 10\n/,
    )
    const threads = said.split('[threads]')[1].split('[jiffies]')[0]
    expect(threads.match(/Thread \d \(CPU#[0-3] \[\w+\]\) +(0x[\da-f]+ in )?[a-z]\w+ \(/g), threads).toHaveLength(4)
    expect(said).toMatch(/\[jiffies\]\n\$10 = 1\n#0 +(tick_)?do_(update_jiffies64|timer) /)
    expect(said).toMatch(/\[back\]\n\$11 = 1\n#0 .*[\s\S]*\[again\]\n\$12 = 0\n/)
    expect(said).toMatch(/"swapper\/0[\s\S]*instructions 0 to \d+, now \d+ before its end/)
    expect(said).not.toMatch(/error|cannot|warning|too long|not recognized|no symbol|failed/i)
  },
  1_800_000,
)

test.skipIf(!haveGdb || !version || noFirmware)(
  "back to the last writes of Linux's jiffies",
  async () => {
    const at = kallsyms()
    const address = (name: string) => `0x${(at.get(name) as bigint).toString(16)}`
    const jiffies = `*(unsigned long*)${address('jiffies_64')}`
    const said = await debugLinux([
      ...[`hbreak *${address('start_kernel')}`, 'continue', `p $rip == ${address('start_kernel')}`, 'delete'],
      `hbreak *${address('__x64_sys_write')}`,
      ...['continue', 'continue', 'delete', `set $now = ${jiffies}`, 'p $now', 'info threads'],
      ...[`watch ${jiffies}`, 'reverse-continue', 'echo [last]\\n', `p ${jiffies} + 1 == $now`, 'p/x $rip'],
      ...['stepi', `p ${jiffies} == $now`, 'reverse-stepi', `p ${jiffies} + 1 == $now`],
      ...['reverse-continue', 'echo [before]\\n', `p ${jiffies} + 2 == $now`, 'continue', 'continue'],
      ...['echo [again]\\n', `p ${jiffies} == $now`, 'delete', 'monitor info history', 'detach'],
    ])
    expect(said).toMatch(/\$1 = 1\n/)
    expect(said).toMatch(/CPU#3 \[(halted|running)\]/)
    expect(said).toMatch(
      /\[last\]\n\$\d = 1\n[\s\S]*= 1\n[\s\S]*= 1\n[\s\S]*\[before\]\n\$\d = 1\n[\s\S]*\[again\]\n\$\d = 1\n/,
    )
  },
  1_800_000,
)
