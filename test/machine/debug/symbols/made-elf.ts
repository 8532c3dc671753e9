/** Small ELF files with symbols and lines, made without a compiler. */

export interface MadeSymbol {
  name: string
  address: number
  size?: number
  /** STT_FUNC by default. */
  type?: number
  /** Its section's number; 1 by default. */
  section?: number
}

export interface MadeSection {
  name: string
  type: number
  flags?: number
  data: Uint8Array
  link?: number
}

const text = (value: string) => [...Buffer.from(`${value}\0`, 'latin1')]

export function bytesOf(size: number, ...values: number[]): number[] {
  return values.flatMap((value) =>
    Array.from({ length: size }, (_, i) => Number((BigInt(value) >> BigInt(i * 8)) & 255n)),
  )
}

/** A line table of version 4: a row for each line, `step` bytes apart, of one file. */
export function lineTable(address: number, lines: readonly number[], step: number, file = 'kernel.c'): Uint8Array {
  const names = [0, ...text(file), 0, 0, 0, 0]
  const standard = [0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1]
  const head = [1, 1, 1, 0xfb, 14, 13, ...standard, ...names]
  const rows = lines.flatMap((line, i) => [3, ...sleb(line - (lines[i - 1] ?? 1)), 1, 2, step])
  const program = [0, 5, 2, ...bytesOf(4, address), ...rows, 0, 1, 1]
  const body = [...bytesOf(2, 4), ...bytesOf(4, head.length), ...head, ...program]
  return Uint8Array.from([...bytesOf(4, body.length), ...body])
}

function sleb(value: number): number[] {
  const bytes: number[] = []
  for (;;) {
    const byte = value & 0x7f
    value >>= 7
    const isLast = (value === 0 && !(byte & 0x40)) || (value === -1 && (byte & 0x40) !== 0)
    bytes.push(isLast ? byte : byte | 0x80)
    if (isLast) return bytes
  }
}

/** A 32-bit one for the i386 with one loaded segment. */
export function madeElf(
  symbols: readonly MadeSymbol[],
  more: readonly MadeSection[] = [],
  options: { virtual?: number; physical?: number; machine?: number; type?: number } = {},
): Buffer {
  const { virtual = 0x100000, physical = virtual, machine = 3, type = 2 } = options
  const size = 0x10000
  const names = [0]
  const entries = symbols.flatMap(({ name, address, size = 0, type = 2, section = 1 }) => {
    const at = names.length
    names.push(...text(name))
    return [...bytesOf(4, at, address, size), (1 << 4) | type, 0, ...bytesOf(2, section)]
  })
  const sections: MadeSection[] = [
    { name: '', type: 0, data: new Uint8Array() },
    { name: '.symtab', type: 2, data: Uint8Array.from([...new Array(16).fill(0), ...entries]), link: 2 },
    { name: '.strtab', type: 3, data: Uint8Array.from(names) },
    ...more,
  ]
  const titles = [0]
  const headers: number[] = []
  const bodies: number[] = []
  const start = 52 + 32
  const all = [...sections, { name: '.shstrtab', type: 3, data: new Uint8Array() }]
  const titleAt = all.map(({ name }) => titles.push(...text(name)) - name.length - 1)
  all[all.length - 1].data = Uint8Array.from(titles)
  for (const [i, { type, flags = 0, data, link = 0 }] of all.entries()) {
    headers.push(...bytesOf(4, titleAt[i], type, flags, 0, start + bodies.length, data.length, link, 0, 1, 0))
    bodies.push(...data)
  }
  const head = [
    ...[0x7f, 0x45, 0x4c, 0x46, 1, 1, 1, ...new Array(9).fill(0)],
    ...bytesOf(2, type, machine),
    ...bytesOf(4, 1, virtual, 52, start + bodies.length, 0),
    ...bytesOf(2, 52, 32, 1, 40, all.length, all.length - 1),
  ]
  const segment = bytesOf(4, 1, 0, virtual, physical, size, size, 5, 4096)
  return Buffer.from([...head, ...segment, ...bodies, ...headers])
}

export function asBytes(image: Uint8Array, name = '"made"') {
  return { name, size: image.length, read: (offset: number, length: number) => image.subarray(offset, offset + length) }
}

/** A 64-bit PE image with these functions exported and as COFF symbols, 16 bytes apart, linked to 400000h. */
export function madePe(names: readonly string[]): Buffer {
  const headers = 0x200
  const rva = 0x1000
  const namesAt = rva + 40 + names.length * 10
  const strings = names.map((name) => text(name))
  const at = strings.map((_, i) => namesAt + strings.slice(0, i).flat().length)
  const functions = names.map((_, i) => 0x2000 + i * 16)
  const [table, pointers, ordinals] = [0, 4, 8].map((each) => rva + 40 + names.length * each)
  const section = [
    ...bytesOf(4, 0, 0, 0, 0, 1, names.length, names.length, table, pointers, ordinals),
    ...[...bytesOf(4, ...functions), ...bytesOf(4, ...at), ...bytesOf(2, ...names.keys()), ...strings.flat()],
  ]
  const coffSymbols = names.flatMap((name, i) => [
    ...Buffer.from(name.slice(0, 8).padEnd(8, '\0')),
    ...[...bytesOf(4, 0x1000 + i * 16), ...bytesOf(2, 1, 0x20), 2, 0],
  ])
  const optional = new Array(240).fill(0)
  optional.splice(0, 2, ...bytesOf(2, 0x20b))
  optional.splice(24, 8, ...bytesOf(8, 0x400000))
  optional.splice(112, 8, ...bytesOf(4, rva, section.length))
  const image = Buffer.alloc(headers + section.length + coffSymbols.length + 4)
  image.write('MZ')
  image.writeUInt32LE(0x40, 0x3c)
  const coff = [
    ...bytesOf(2, 0x8664, 1),
    ...bytesOf(4, 0, headers + section.length, names.length),
    ...bytesOf(2, 240, 0),
  ]
  const head = [...Buffer.from('.edata\0\0'), ...bytesOf(4, 0x2000, rva, section.length, headers, 0, 0, 0, 0x40000040)]
  image.set([...Buffer.from('PE\0\0'), ...coff, ...optional, ...head], 0x40)
  image.set([...section, ...coffSymbols, ...bytesOf(4, 4)], headers)
  return image
}
