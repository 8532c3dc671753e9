/** Symbols as files have them: made here, and what the host's tools make, compared with what those say of it. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32, deflateSync } from 'node:zlib'
import { afterAll, describe, expect, test } from 'vitest'
import { openSymbols } from '../../../../harness/config/symbol-files.js'
import { ElfFile } from '../../../../machine/debug/symbols/elf.js'
import { readSymbols } from '../../../../machine/debug/symbols/read-symbols.js'
import { Symbols } from '../../../../machine/debug/symbols/symbols.js'
import { asBytes, bytesOf, lineTable, madeElf, madePe } from './made-elf.js'

const folder = mkdtempSync(join(tmpdir(), 'bootwright-symbols-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const made = (name: string, contents: Uint8Array | string) => {
  const path = join(folder, name)
  writeFileSync(path, contents)
  return path
}
const read = (image: Uint8Array) => readSymbols(asBytes(image))
const symbolsOf = (image: Uint8Array, address?: bigint) => new Symbols([{ file: read(image), address }])

const FUNCTIONS = [
  { name: 'main', address: 0x100100, size: 0x40 },
  { name: 'main_alias', address: 0x100100, type: 0 },
  { name: 'table', address: 0x100200, size: 8, type: 1 },
  { name: 'stub', address: 0x100300, type: 0 },
  { name: 'MAGIC', address: 0x1badb002, type: 0, section: 0xfff1 },
]
const LINES = { name: '.debug_line', type: 1, data: lineTable(0x100100, [10, 12, 11], 8) }

describe('an ELF file', () => {
  test('says which function an address is in, and which line', () => {
    const symbols = symbolsOf(madeElf(FUNCTIONS, [LINES]))
    expect(symbols.find(0x100100n)).toEqual({ symbol: 'main', offset: 0, start: 0x100100n })
    expect(symbols.find(0x10013fn)).toMatchObject({ symbol: 'main', offset: 0x3f })
    expect(symbols.find(0x100140n)).toBeUndefined()
    expect(symbols.find(0x100310n)).toMatchObject({ symbol: 'stub', offset: 0x10 })
    expect(symbols.find(0x1badb002n)).toBeUndefined()
    expect(symbols.addressOf('main')).toBe(0x100100n)
    expect([0x1000ffn, 0x100100n, 0x10010fn, 0x100117n, 0x100118n].map((at) => symbols.lineAt(at)?.line)).toEqual([
      ...[undefined, 10, 12, 11, undefined],
    ])
  })

  test('is known where it was loaded, and before paging', () => {
    const high = madeElf([{ name: 'start', address: 0xc0100000, size: 16 }], [], {
      virtual: 0xc0100000,
      physical: 0x100000,
    })
    expect(symbolsOf(high).find(0x100008n)).toMatchObject({ symbol: 'start', offset: 8, start: 0x100000n })
    expect(symbolsOf(high).find(0xc0100008n)).toMatchObject({ symbol: 'start', start: 0xc0100000n })
    expect(symbolsOf(high, 0x400000n).find(0x400008n)).toMatchObject({ symbol: 'start', offset: 8 })
  })

  test('may have compressed sections, as all ways to say it', () => {
    const { data } = LINES
    const packed = deflateSync(data)
    const gabi = { ...LINES, flags: 0x800, data: Buffer.from([...bytesOf(4, 1, data.length, 1), ...packed]) }
    const size = Buffer.alloc(8)
    size.writeBigUInt64BE(BigInt(data.length))
    const gnu = { ...LINES, name: '.zdebug_line', data: Buffer.concat([Buffer.from('ZLIB'), size, packed]) }
    // A frame of a single block, which is as it was (RFC 8878, 3.1.1).
    const [low, high] = [((data.length << 3) | 1) & 0xff, data.length >> 5]
    const frame = [0x28, 0xb5, 0x2f, 0xfd, 0x20, data.length, low, high, 0, ...data]
    const zstd = { ...gabi, data: Buffer.from([...bytesOf(4, 2, data.length, 1), ...frame]) }
    for (const section of [gabi, gnu, zstd])
      expect(symbolsOf(madeElf(FUNCTIONS, [section])).lineAt(0x100108n)).toEqual({ file: 'kernel.c', line: 12 })
    // One that says another size is none, and takes no more memory than it says.
    const wrong = { ...gabi, data: Buffer.from([...bytesOf(4, 1, 5, 1), ...packed]) }
    expect(symbolsOf(madeElf(FUNCTIONS, [wrong])).lineAt(0x100108n)).toBeUndefined()
    const noFrame = { ...zstd, data: Buffer.from([...bytesOf(4, 2, data.length, 1), ...frame.slice(1)]) }
    expect(symbolsOf(madeElf(FUNCTIONS, [noFrame])).lineAt(0x100108n)).toBeUndefined()
  })

  test('has its build ID among other notes, as a Linux kernel', () => {
    const xen = [...bytesOf(4, 4, 6, 6), ...Buffer.from('Xen\0linux\0'), 0, 0]
    const gnu = [...bytesOf(4, 4, 4, 3), ...Buffer.from('GNU\0'), 0x6a, 0x2b, 0x4a, 0xc7]
    const idOf = (...notes: number[]) =>
      new ElfFile(asBytes(madeElf([], [{ name: '.notes', type: 7, data: Uint8Array.from(notes) }]))).buildId
    expect(idOf(...gnu)).toBe('6a2b4ac7')
    expect(idOf(...xen, ...xen, ...gnu)).toBe('6a2b4ac7')
    expect(idOf(...xen)).toBeUndefined()
    // One whose length leads out of the section is the last.
    expect(idOf(...bytesOf(4, 4, 0xffffffff, 6), ...gnu)).toBeUndefined()
  })

  test('may have its symbols in another file, which is the right one by its sum', () => {
    const debug = madeElf(FUNCTIONS, [LINES])
    mkdirSync(join(folder, '.debug'))
    made('.debug/os.debug', debug)
    const link = (crc: number) => ({
      name: '.gnu_debuglink',
      type: 1,
      data: Buffer.from([...Buffer.from('os.debug\0\0\0\0'), ...bytesOf(4, crc)]),
    })
    const stripped = made('os', madeElf([], [link(crc32(debug))]))
    expect(new Symbols(openSymbols([{ path: stripped }], undefined)).addressOf('main')).toBe(0x100100n)
    const lineless = made('lineless', madeElf(FUNCTIONS, [link(crc32(debug))]))
    expect(new Symbols(openSymbols([{ path: lineless }], undefined)).lineAt(0x100108n), 'lines alone').toBeDefined()
    const other = made('other', madeElf([], [link(1)]))
    const [own] = openSymbols([], { path: stripped, image: readFileSync(stripped) })
    expect(new Symbols([own]).addressOf('main'), 'of a kernel that is started').toBe(0x100100n)
    expect(() => openSymbols([{ path: other }], undefined)).toThrow(/has no symbols: it was stripped/)
  })
})

test.each<[string, Uint8Array | string, RegExp]>([
  ['a stripped file', madeElf([]), /has no symbols: it was stripped; give the file from before 'strip'/],
  [
    'another processor',
    madeElf(FUNCTIONS, [], { machine: 183 }),
    /is for AArch64; give the file that the guest's x86 kernel/,
  ],
  ['an object file', madeElf(FUNCTIONS, [], { type: 1 }), /is an object file, whose addresses are not fixed/],
  ['a file cut short', madeElf(FUNCTIONS).subarray(0, 90), /is cut short: its ELF tables lie beyond its end/],
  ['a head alone', madeElf(FUNCTIONS).subarray(0, 20), /is cut short: its ELF header does not end/],
  ['a bzImage', Buffer.concat([Buffer.alloc(0x202), Buffer.from('HdrS')]), /is a compressed Linux kernel \(bzImage\)/],
  ['a text', 'hello\n', /is no file with symbols; symbols are in ELF and PE files/],
  ['nothing', '', /is empty; symbols are in/],
  ["Debian's stand-in", 'ffffffffffffffff B The real System.map is in the dbg package\n', /Debian's stand-in/],
  ['hidden kallsyms', '0000000000000000 T _text\n0000000000000000 T panic\n', /has zeros for addresses.*kptr_restrict/],
  ['a packed file', Buffer.from([0x1f, 0x8b, 8, 0]), /is compressed; unpack it first/],
])('%s is refused in a sentence that says what to do', (_, contents, words) => {
  expect(() => read(Buffer.from(contents))).toThrow(words)
})

test('what is no file is refused', () => {
  expect(() => openSymbols([{ path: join(folder, 'gone') }], undefined)).toThrow(
    /symbols ".*gone".* does not exist|not found/,
  )
  expect(() => openSymbols([{ path: folder }], undefined)).toThrow(/is no regular file/)
})

test('a map of Linux, whose percpu variables are linked to zero, and one of nm with sizes', () => {
  const map =
    '0000000000000000 D __per_cpu_start\nffffffff81000000 T _text\nffffffff81000010 t early\nffffffff81002000 T late\t[mod]\n'
  const symbols = symbolsOf(Buffer.from(map))
  expect(symbols.find(0xffffffff81000018n)).toMatchObject({ symbol: 'early', offset: 8 })
  expect(symbols.find(0xffffffff81002000n)?.symbol).toBe('late [mod]')
  const moved = symbolsOf(Buffer.from(map), 0xffffffff9a000000n)
  expect(moved.find(0xffffffff9a000010n)?.symbol).toBe('early')
  const sized = symbolsOf(Buffer.from('00100000 00000010 T main\n00100020 T end\n'))
  expect(sized.find(0x10000fn)?.symbol).toBe('main')
  expect(sized.find(0x100010n)).toBeUndefined()
})

test('a PE image has its exports and its COFF symbols, where it was loaded', () => {
  const symbols = symbolsOf(madePe(['EfiMain', 'Halt']), 0x7e000000n)
  expect(symbols.find(0x7e002004n)).toMatchObject({ symbol: 'EfiMain', offset: 4 })
  expect(symbols.find(0x7e002014n)).toMatchObject({ symbol: 'Halt', offset: 4 })
})

const haveTools = ['gcc', 'objcopy', 'addr2line', 'nm'].every((tool) => spawnSync(tool, ['--version']).status === 0)
const SOURCE = `
static int twice(int n) { return n + n; }
int sum(int *list, int n) {
  int all = 0;
  for (int i = 0; i < n; i++)
    all += twice(list[i]);
  return all;
}

void _start(void) { int list[2] = {1, 2}; sum(list, 2); for (;;); }
`

describe.skipIf(!haveTools)("what the host's compiler makes", () => {
  const run = (tool: string, ...parameters: string[]) => {
    const { status, stdout, stderr } = spawnSync(tool, parameters, { cwd: folder, encoding: 'utf8' })
    if (status !== 0) throw new Error(`${tool}: ${stderr}`)
    return stdout
  }
  const built = (name: string, ...flags: string[]) => {
    writeFileSync(join(folder, 'sum.c'), SOURCE)
    run('gcc', ...['-ffreestanding', '-nostdlib', '-static', '-no-pie', '-o', name, ...flags, 'sum.c'])
    return join(folder, name)
  }

  test.each([
    ['2', '-O1'],
    ['3', '-O0'],
    ['4', '-O2'],
    ['5', '-O2'],
    ['5', '-gz=zlib'],
  ])('has the lines that addr2line finds, in DWARF %s, %s', (version, flag) => {
    const path = built(`sum-${version}${flag}`, `-gdwarf-${version}`, '-gstrict-dwarf', flag)
    const symbols = symbolsOf(readFileSync(path))
    const start = symbols.addressOf('sum') as bigint
    const addresses = Array.from({ length: 48 }, (_, i) => start + BigInt(i))
    const wanted = run('addr2line', '-e', path, ...addresses.map((at) => `0x${at.toString(16)}`))
    const told = wanted.split('\n').map((line) => /(\d+)(?: |$)/.exec(line.split(':').at(-1) ?? '')?.[1])
    expect(addresses.map((at) => symbols.lineAt(at)?.line)).toEqual(
      told.slice(0, 48).map((line) => Number(line) || undefined),
    )
    expect(symbols.lineAt(start)?.file).toBe('sum.c')
  })

  test('has its symbols in a PE image, too, and moves with it', () => {
    const path = built('sum-pe', '-g')
    run('objcopy', '-O', 'pei-x86-64', path, 'sum.exe')
    const elf = symbolsOf(readFileSync(path))
    const pe = symbolsOf(readFileSync(join(folder, 'sum.exe')))
    expect(pe.addressOf('sum')).toBe(elf.addressOf('sum'))
    const start = elf.addressOf('sum') as bigint
    expect(pe.find(start + 4n)).toMatchObject({ symbol: 'sum', offset: 4 })
  })
})
