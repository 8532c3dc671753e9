/** Kernel modules: an object file is laid out, found in a guest's memory, and its lines are those that were executed there. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { openCovered } from '../../../harness/config/symbol-files.js'
import { coveredLines } from '../../../harness/coverage/covered-lines.js'
import { ExecutedCode } from '../../../machine/cpu/executed-code.js'
import type { PhysicalView } from '../../../machine/debug/linear-memory.js'
import { findModules } from '../../../machine/debug/linux-modules.js'
import { Symbols } from '../../../machine/debug/symbols/symbols.js'

const folder = mkdtempSync(join(tmpdir(), 'bootwright-modules-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** As kbuild makes one: the struct's contents are what the kernel's linker fills in. */
const SOURCE = `
#define SECTION(name) __attribute__((section(name), used))
static int total;
static __attribute__((noinline)) int step(int by) {
  if (by > 100)
    return -1;
  total += by;
  return total;
}
SECTION(".init.text") int init_module(void) {
  return step(3) < 0;
}
SECTION(".exit.text") void cleanup_module(void) {
  total = 0;
}
SECTION(".gnu.linkonce.this_module") __attribute__((aligned(64))) struct {
  unsigned state; void *list[2]; char name[56]; long other[20]; int (*init)(void); long more[9]; void (*exit)(void);
} module = { .name = "counter", .init = init_module, EXIT };
`
const STRUCT = { next: 8, back: 16, init: 240, exit: 320, bytes: 384 }

function compile(name: string, ...flags: string[]): string {
  const path = join(folder, `${name}.ko`)
  writeFileSync(join(folder, `${name}.c`), SOURCE)
  const args = [
    '-c',
    '-g',
    '-O0',
    '-mcmodel=kernel',
    '-fno-pic',
    '-fcf-protection=none',
    ...flags,
    '-o',
    path,
    `${name}.c`,
  ]
  const { status, stderr } = spawnSync('gcc', args, { cwd: folder, encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  return path
}

const haveCompiler = spawnSync('gcc', ['-m64', '-E', '-xc', '/dev/null'], { stdio: 'ignore' }).status === 0
const PAGING = { cr0: 1n << 31n, cr3: 0x1000n, cr4: 1n << 5n, efer: 1n << 10n }
/** Of the guest: `struct module` is on the third page behind the code's. */
const CORE = 0xffffffffc0404000n
const STRUCT_AT = CORE + 0x2080n
const INIT = 0xffffffffc0600000n

/** Physical memory with page tables that map these pages, the first ones from 10000h on. */
function guest(pages: readonly bigint[]): { view: PhysicalView; at: (linear: bigint) => number; memory: Buffer } {
  const memory = Buffer.alloc(0x40000)
  let free = 0x2000
  const at = (linear: bigint) => 0x10000 + 0x1000 * pages.indexOf(linear & ~0xfffn) + Number(linear & 0xfffn)
  for (const page of pages) {
    let table = 0x1000
    for (const shift of [39n, 30n, 21n]) {
      const entry = table + 8 * Number((page >> shift) & 511n)
      if (memory.readBigUInt64LE(entry) === 0n) {
        memory.writeBigUInt64LE(BigInt(free) | 3n, entry)
        free += 0x1000
      }
      table = Number(memory.readBigUInt64LE(entry) & ~0xfffn)
    }
    memory.writeBigUInt64LE(BigInt(at(page)) | 3n, table + 8 * Number((page >> 12n) & 511n))
  }
  const view = { bytes: (from: number, length: number) => memory.subarray(from, from + length), store: () => 0 }
  return { view, at, memory }
}

describe.skipIf(!haveCompiler)('a kernel module', () => {
  test('is found by its struct module, and lines of both its parts are told', () => {
    const path = compile('counter', '-DEXIT=.exit = cleanup_module')
    const symbols = new Symbols(openCovered([{ path }]))
    const wanted = symbols.missingModules
    expect(wanted.map(({ name, pointer }) => [name, pointer?.at])).toEqual([
      ['counter', STRUCT.exit],
      ['counter', STRUCT.init],
    ])
    expect(symbols.addressOf('step')).toBeUndefined()
    expect(symbols.find(0x10000000n)).toBeUndefined()

    const LIST = 0xffffffffc0500000n
    const { view, at, memory } = guest([CORE + 0x2000n, LIST])
    const put = (linear: bigint, value: bigint) => memory.writeBigUInt64LE(value, at(linear))
    // A text that is called so is no module.
    memory.write('counter', at(LIST + 0x118n))
    expect(findModules(wanted, PAGING, view).size).toBe(0)
    memory.write('counter', at(STRUCT_AT + 24n))
    put(STRUCT_AT + BigInt(STRUCT.next), LIST)
    expect(findModules(wanted, PAGING, view).size).toBe(0)
    put(LIST + 8n, STRUCT_AT + BigInt(STRUCT.next))
    const exit = (wanted[0].pointer?.to ?? 0n) - 0x10000000n
    put(STRUCT_AT + BigInt(STRUCT.exit), CORE + exit)
    put(STRUCT_AT + BigInt(STRUCT.init), INIT)
    symbols.placeModules(findModules(wanted, PAGING, view))
    expect(symbols.missingModules).toEqual([])
    expect(symbols.addressOf('step')).toBe(CORE)
    expect(symbols.find(CORE + exit)).toMatchObject({ symbol: 'cleanup_module', offset: 0 })
    expect(symbols.find(INIT + 4n)).toMatchObject({ symbol: 'init_module', offset: 4 })
    expect(symbols.lineAt(INIT)).toMatchObject({ line: 10 })

    const code = new ExecutedCode()
    code.add(INIT, 0x100)
    code.add(CORE, Number(exit))
    const { files } = coveredLines(symbols.executedIn(code))
    const [{ lines, functions }] = files
    expect([...lines].filter(([, count]) => count === 0).map(([line]) => line)).toEqual([13, 14, 15])
    expect(Object.fromEntries(functions.map(({ name, count }) => [name, count]))).toEqual({
      step: 1,
      init_module: 1,
      cleanup_module: 0,
    })
  })

  test('may be said to be somewhere, and without a way to be found is a sentence', () => {
    const path = compile('placed', '-DEXIT=.exit = cleanup_module')
    expect(new Symbols(openCovered([{ path, at: '0xffffffffc0700000' }])).addressOf('step')).toBe(0xffffffffc0700000n)
    // One that cannot be unloaded.
    const stays = compile('stays', '-DEXIT=.exit = 0')
    expect(() => openCovered([{ path: stays }])).toThrow(
      /has no function for module_init\(\) or module_exit\(\), by which/,
    )
    expect(new Symbols(openCovered([{ path: stays, at: '0x1000' }])).addressOf('step')).toBe(0x1000n)
  })
})
