/** `run --gdb`, with Debian's gdb where the host has it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { compiledKernel, haveCompiler } from '../../compiled-kernel.js'
import { noFirmware } from '../../firmware-here.js'
import { programFloppy } from '../boot-programs.js'
import { bootwright, type Ended } from './command.js'
import { gdb, haveGdb } from './gdb-here.js'

const folder = mkdtempSync(join(tmpdir(), 'bootwright-gdb-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const floppy = join(folder, 'exit16.img')
writeFileSync(floppy, programFloppy('exit16'))

/** Runs the floppy, and does something when gdb can come. */
async function debugged(use: (port: number) => Promise<void>, ...more: string[]): Promise<Ended> {
  let used: Promise<void> | undefined
  const ended = await bootwright(['run', '--gdb', ':0', '--floppy', floppy, '--expect-exit', '0x10', ...more], {
    onOutput: (text) => {
      const port = /target remote 127\.0\.0\.1:(\d+)/.exec(text)?.[1]
      if (port !== undefined) used ??= use(Number(port))
    },
  })
  await used
  return ended
}

test.skipIf(!haveGdb || noFirmware !== undefined)(
  'gdb breaks at the boot sector, steps, watches memory, asks the monitor, and lets the guest end',
  async () => {
    let said = ''
    const ended = await debugged(async (port) => {
      said = await gdb(port, [
        ...['set osabi none', 'set architecture i8086', 'x/i $cs_base + $eip', 'p/x $cs', 'hbreak *0x7c00', 'continue'],
        ...['set architecture i386:x86-64', 'p/x $rip', 'stepi', 'p/x $rip', 'x/2xb 0x7dfe'],
        ...['delete', 'set var *(char*)0x600 = 65', 'p/c *(char*)0x600', 'info threads', 'monitor when', 'detach'],
      ])
    }, '--paused')
    expect(said).toMatch(
      /0xfffffff0:\tljmp +\$0xf000,\$0xe05b\n\$1 = 0xf000[\s\S]*Breakpoint 1, [\s\S]*\$2 = 0x7c00[\s\S]*\$3 = 0x7c02/,
    )
    expect(said).toMatch(/0x55\s+0xaa[\s\S]*65 'A'[\s\S]*CPU#0 \[running\][\s\S]*\d s, \d+ instructions/)
    expect(ended).toMatchObject({ code: 0 })
  },
  120_000,
)

test.skipIf(!haveGdb || !haveCompiler || noFirmware !== undefined)(
  'gdb goes back from a crash to the instruction that made it, and forward again',
  async () => {
    const kernel = compiledKernel('stray', join(import.meta.dirname, '../runtime/debug/kernel.c'), '-DLAST=30', '-O1')
    let said = ''
    const args = ['run', '--gdb', ':0', '--paused', '--kernel', kernel, '--memory', '16M']
    let used: Promise<unknown> | undefined
    const ended = await bootwright(args, {
      onOutput: (text) => {
        const port = /target remote 127\.0\.0\.1:(\d+)/.exec(text)?.[1]
        if (port === undefined) return
        used ??= gdb(
          Number(port),
          [
            ...['hbreak kmain', 'continue', 'continue', 'echo [crash]\\n', 'backtrace 1'],
            ...['watch table.limit', 'reverse-continue', 'echo [found]\\n', 'p table.limit', 'p ticks', 'backtrace 3'],
            ...['stepi', 'p table.limit', 'reverse-stepi', 'p table.limit', 'delete', 'break on_timer'],
            ...['reverse-continue', 'echo [tick]\\n', 'p ticks', 'reverse-continue', 'p ticks', 'reverse-finish'],
            ...['delete', 'watch table.limit', 'reverse-continue', 'echo [begin]\\n', 'p ticks'],
            ...['delete', 'monitor break interrupt 32', 'reverse-stepi', 'continue', 'echo [interrupt]\\n', 'x/i $pc'],
            ...['continue', 'p ticks', 'reverse-continue', 'p ticks', 'x/i $pc', 'monitor delete 1'],
            ...['delete', 'continue', 'echo [again]\\n', 'p table.limit', 'monitor info history', 'detach'],
          ],
          `file ${kernel}`,
        ).then((text) => {
          said = text
        })
      },
    })
    await used
    expect(said).toMatch(/go back from here, or let it end[\s\S]*SIGSEGV[\s\S]*\[crash\]\n#0 .*crash/)
    expect(said).toMatch(/Old value = 3\nNew value = 1000\n/)
    expect(said).toMatch(/\[found\]\n\$1 = 1000\n\$2 = 7\n#0 .*remember [\s\S]*\$3 = 3\n[\s\S]*\$4 = 1000/)
    expect(said).toMatch(/\[tick\]\n\$5 = 6\n[\s\S]*\$6 = 5\n/)
    expect(said).toMatch(/reverse-execution history[\s\S]*\[begin\]\n\$7 = 0\n/)
    expect(said).toMatch(/interrupt 32\n[\s\S]*SIGTRAP[\s\S]*\[interrupt\]\n=> 0x[\da-f]+ <timer_entry>:\tpusha/)
    expect(said).toMatch(/\$8 = 1\n[\s\S]*\$9 = 0\n=> 0x[\da-f]+ <timer_entry>:\tpusha/)
    expect(said).toMatch(/\[again\]\n\$10 = 3\n/)
    expect(ended.stderr).toContain('triple fault')
  },
  120_000,
)

test.skipIf(noFirmware !== undefined)(
  'noise, and a debugger that goes away in the middle of a packet, do the guest no harm',
  async () => {
    const ended = await debugged(async (port) => {
      for (const noise of ['$g#00+-\x03', '$qSupported', '\x03'.repeat(100), '$vCont;c#a8\x03\x03$m0,ffffffff#00'])
        await new Promise<void>((resolve) => {
          const socket = connect(port, '127.0.0.1', () => socket.end(Buffer.from(noise, 'latin1')))
          socket.on('error', () => resolve())
          socket.on('close', () => resolve())
          socket.resume()
        })
    })
    expect(ended).toMatchObject({ code: 0 })
  },
  120_000,
)

test.each([
  [['--paused'], '--paused waits for a debugger to let the machine begin; add --gdb :1234'],
  [['--gdb', 'x'], "--gdb 'x' is no port; give :1234"],
  [['--gdb', ':1234', '--record', join(folder, 'r.jsonl')], '--record keeps all that comes from outside'],
])('%j is refused in a sentence', async (args, sentence) => {
  const ended = await bootwright(['run', '--floppy', floppy, ...args])
  expect(ended.code).toBe(2)
  expect(ended.stderr).toContain(sentence)
})

test.skipIf(noFirmware !== undefined)('a port that is in use is named', async () => {
  const other = createServer()
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  const { port } = other.address() as { port: number }
  const ended = await bootwright(['run', '--floppy', floppy, '--gdb', `:${port}`])
  other.close()
  expect(ended.stderr).toContain(`--gdb: port ${port} is in use`)
  expect(ended.code).not.toBe(0)
})
