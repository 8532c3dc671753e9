/** How often code is fetched and pages are walked to must not show: neither in memory nor in what devices are asked. */
import { describe, expect, test } from 'vitest'
import { BareCpu } from '../driver.js'

const NS = 10
const PROGRAM = 0x10000
const DIRECTORY = 0x20000
const TABLE = 0x21000
/** No memory. */
const DEVICE = 0x800000
/** After so many entries a block is compiled. */
const COMPILED = 5

interface Setting {
  code: readonly number[]
  at?: number
  paging?: boolean
  gpr?: { [register: number]: number }
  /** Code 1 MiB above PROGRAM, and at PROGRAM. */
  above?: readonly number[]
  below?: readonly number[]
  /** What else lies in memory, by its address. */
  also?: { [address: number]: readonly number[] }
}

/** Runs 32-bit code up to HLT in slices of so many instructions: EAX, and what was read from the device. */
function run({ code, at = PROGRAM, paging = false, gpr = {}, above, below, also = {} }: Setting, slice: number) {
  const reads: number[] = []
  const board = {
    // Port 92h alone is there: address line 20.
    portWrite: (_port: number, value: number) => cpu.engine.setA20((value & 2) !== 0),
    mmioRead: (address: number, size: number) => {
      reads.push(address)
      return [...code.slice(address - DEVICE, address - DEVICE + size)].reduceRight((sum, byte) => sum * 256 + byte, 0)
    },
  }
  const cpu: BareCpu = new BareCpu(undefined, board, undefined, COMPILED)
  if (at === PROGRAM) cpu.ram.set(code, PROGRAM)
  if (above) cpu.ram.set(above, 0x100000 + PROGRAM)
  if (below) cpu.ram.set(below, PROGRAM)
  const ram = new DataView(cpu.ram.buffer, cpu.ram.byteOffset, cpu.ram.length)
  ram.setUint32(DIRECTORY, TABLE | 7, true)
  for (let page = 0; page < 1024; page++) ram.setUint32(TABLE + page * 4, (page << 12) | 7, true)
  // A directory's entry whose table lies where no memory is.
  ram.setUint32(DIRECTORY + 4, DEVICE | 7, true)
  for (const [address, bytes] of Object.entries(also)) cpu.ram.set(bytes, Number(address))
  const flat = { selector: 0x10, base: 0n, limit: 0xffffffff, access: 0xc093 }
  const { engine } = cpu
  engine.setState({
    ...engine.getState(),
    segments: [flat, { ...flat, selector: 8, access: 0xc09b }, flat, flat, flat, flat],
    gpr: Array.from({ length: 16 }, (_, i) => BigInt(gpr[i] ?? 0)),
    rip: BigInt(at),
    cr0: paging ? 0x80000011n : 0x11n,
    cr3: BigInt(DIRECTORY),
  })
  for (let i = 0; i < 10_000; i++) {
    const exit = engine.run(engine.now() + slice * NS)
    if (exit.reason === 'halt')
      return { eax: Number(engine.getState().gpr[0]), reads, instructions: engine.instructions() }
    if (exit.reason !== 'budget') throw new Error(JSON.stringify(exit))
  }
  throw new Error('no end')
}

const SLICES = [1, 2, 3, 7]

test('a program that clears the accessed bit of its own page finds it clear, however it is cut', () => {
  const pte = TABLE + (PROGRAM >> 12) * 4
  const code = [
    // and byte [pte], ~20h; nop; nop; nop; mov eax, [pte]; hlt
    ...[0x80, 0x25, pte & 0xff, (pte >> 8) & 0xff, pte >> 16, 0, 0xdf, 0x90, 0x90, 0x90],
    ...[0xa1, pte & 0xff, (pte >> 8) & 0xff, pte >> 16, 0, 0xf4],
  ]
  const whole = run({ code, paging: true }, 1000)
  expect(whole.eax & 0x20).toBe(0)
  for (const slice of SLICES) expect(run({ code, paging: true }, slice)).toEqual(whole)
})

test('a device from which code is fetched is read as often in slices as in one go', () => {
  // mov edi, 30000h; mov ecx, 9; rep stosb; jmp +1; nop; mov esi, edi; rep movsb; hlt
  const code = [
    ...[0xbf, 0, 0, 3, 0, 0xb9, 9, 0, 0, 0, 0xf3, 0xaa, 0xeb, 1, 0x90],
    ...[0x89, 0xfe, 0xb9, 5, 0, 0, 0, 0xf3, 0xa4, 0xf4],
  ]
  const whole = run({ code, at: DEVICE }, 1000)
  expect(whole.reads.length).toBeGreaterThan(40)
  for (const slice of SLICES) expect(run({ code, at: DEVICE }, slice)).toEqual(whole)
})

test('page tables are read from memory alone: a device is not asked for them', () => {
  // mov eax, [esi]; mov eax, [esi + 1000h]; hlt: the entries read as all ones, so the pages lie at the top.
  const code = [0x8b, 0x06, 0x8b, 0x86, 0, 0x10, 0, 0, 0xf4]
  const { reads } = run({ code, paging: true, gpr: { 6: 0x400000 } }, 1000)
  expect(reads).toEqual([0xfffff000, 0xfffff000])
})

test('the instruction behind a port write that closes the A20 gate is fetched through the closed gate, however it is cut', () => {
  // mov al, 0; out 92h, al; inc ebx; hlt: at 1 MiB and above. Below it: the same, but with inc eax for inc ebx.
  const code = [0xb0, 0x00, 0xe6, 0x92, 0x43, 0xf4]
  const closed = [...code.slice(0, 4), 0x40, 0xf4]
  for (const slice of [1, 2, 3, 7, 1000])
    expect(run({ code, at: 0x100000 + PROGRAM, above: code, below: closed }, slice).eax).toBe(1)
})

describe('an instruction that reaches into the next page', () => {
  const NEXT = PROGRAM + 0x1000
  const OTHER = PROGRAM + 0x2000
  const NEXT_PTE = TABLE + (NEXT >> 12) * 4
  const low = (value: number) => [value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, value >>> 24]
  /** mov eax, ??????01h: its upper bytes, and a RET, lie in the next page. */
  const crossing = { [NEXT - 2]: [0xb8, 1], [NEXT]: [0, 0, 0, 0xc3], [OTHER]: [2, 0, 0, 0xc3] }
  const TIMES = 100

  /** EDX is the sum of what the instruction left in EAX, which `between` follows each time. */
  const repeated = (between: readonly number[], also: Setting['also'] = crossing): Setting => {
    const call = [0xe8, ...low(NEXT - 2 - (PROGRAM + 12))]
    const head = [0x31, 0xd2, 0xb9, ...low(TIMES), ...call, 0x01, 0xc2, ...between, 0x49]
    // jnz to the call; mov eax, edx; hlt
    const code = [...head, 0x0f, 0x85, ...low(7 - (head.length + 6)), 0x89, 0xd0, 0xf4]
    return { code, paging: true, gpr: { 4: 0x8000 }, also }
  }
  const sum = (upper: (i: number) => number) =>
    Array.from({ length: TIMES }, (_, i) => 1 + 256 * upper(i)).reduce((all, one) => (all + one) >>> 0, 0)
  const invlpg = [0x0f, 0x01, 0x3d, ...low(NEXT)]

  test('is decoded anew where its bytes there are written', () => {
    const setting = repeated([0xfe, 0x05, ...low(NEXT)])
    const whole = run(setting, 1e6)
    expect(whole.eax >>> 0).toBe(sum((i) => i & 0xff))
    for (const slice of SLICES) expect(run(setting, slice)).toEqual(whole)
  })

  test('is that of the page that is there now', () => {
    // xor byte [pte + 1], 30h: from NEXT to OTHER, and back.
    const setting = repeated([0x80, 0x35, ...low(NEXT_PTE + 1), 0x30, ...invlpg])
    const whole = run(setting, 1e6)
    expect(whole.eax >>> 0).toBe(sum((i) => (i & 1 ? 2 : 0)))
    for (const slice of SLICES) expect(run(setting, slice)).toEqual(whole)
  })

  test('is what it was as long as the old translation is kept', () => {
    const setting = repeated([0x80, 0x35, ...low(NEXT_PTE + 1), 0x30])
    const whole = run(setting, 1e6)
    expect(whole.eax >>> 0).toBe(sum(() => 0))
    for (const slice of SLICES) expect(run(setting, slice)).toEqual(whole)
  })

  test('sets the accessed bit of the page behind once for each translation', () => {
    // and byte [pte], ~20h; mov ebx, [pte]; and ebx, 20h; add edx, ebx
    const looks = [...[0x80, 0x25, ...low(NEXT_PTE), 0xdf, 0x8b, 0x1d, ...low(NEXT_PTE), 0x83, 0xe3, 0x20, 0x01, 0xda]]
    const kept = repeated([...looks])
    expect(run(kept, 1e6).eax >>> 0).toBe(sum(() => 0))
    // The look comes behind the walk where the translation was dropped before the instruction.
    const dropped = repeated([
      0x8b,
      0x1d,
      ...low(NEXT_PTE),
      0x83,
      0xe3,
      0x20,
      0x01,
      0xda,
      0x80,
      0x25,
      ...low(NEXT_PTE),
      0xdf,
      ...invlpg,
    ])
    const whole = run(dropped, 1e6)
    expect(whole.eax >>> 0).toBe((sum(() => 0) + 0x20 * TIMES) >>> 0)
    for (const slice of SLICES) expect(run(dropped, slice)).toEqual(whole)
  })

  test('faults where that page is gone', () => {
    // The tenth time there is no page: without an IDT that is the end.
    const setting = repeated([0x81, 0xf9, ...low(TIMES - 9), 0x75, 14, 0x80, 0x25, ...low(NEXT_PTE), 0xfe, ...invlpg])
    for (const slice of [...SLICES, 1e6]) expect(() => run(setting, slice)).toThrow(/shutdown|triple/)
  })

  test('may have all its bytes in one physical page, which is shown twice', () => {
    // Its upper bytes are the program's first; behind them stand inc ebx; hlt.
    const also = { ...crossing, [PROGRAM]: [0x31, 0xd2, 0xb9, 0x43, 0xf4], [NEXT_PTE]: low(PROGRAM | 7) }
    expect(run({ code: [], at: NEXT - 2, paging: true, also }, 1000).eax).toBe(0xb9d23101)
  })
})

describe('INVLPG', () => {
  /** 32-bit paging with CR4.PSE: `entry` is the directory's for 400000h, beside identity for what lies below. */
  const started = (entry: number, code: readonly number[]): BareCpu => {
    const cpu = new BareCpu(4 << 20)
    const ram = new DataView(cpu.ram.buffer, cpu.ram.byteOffset, cpu.ram.length)
    cpu.ram.set(code, PROGRAM)
    ram.setUint32(DIRECTORY, TABLE | 7, true)
    for (let page = 0; page < 1024; page++) ram.setUint32(TABLE + page * 4, (page << 12) | 7, true)
    ram.setUint32(DIRECTORY + 4, entry, true)
    const flat = { selector: 0x10, base: 0n, limit: 0xffffffff, access: 0xc093 }
    cpu.engine.setState({
      ...cpu.engine.getState(),
      segments: [flat, { ...flat, selector: 8, access: 0xc09b }, flat, flat, flat, flat],
      gpr: Array.from({ length: 16 }, (_, i) => (i === 4 ? 0x8000n : 0n)),
      rip: BigInt(PROGRAM),
      cr0: 0x80000011n,
      cr3: BigInt(DIRECTORY),
      cr4: 0x10n,
    })
    return cpu
  }
  const dword = (value: number) => [value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, value >>> 24]

  test('of a large page forgets all of it, whatever piece it names', () => {
    const cpu = started(0x87, [
      // mov eax, [401000h]; mov ebx, [402000h]; mov dword [directory + 4], 400087h; invlpg [403000h]
      ...[0xa1, ...dword(0x401000), 0x8b, 0x1d, ...dword(0x402000)],
      ...[0xc7, 0x05, ...dword(DIRECTORY + 4), ...dword(0x400087), 0x0f, 0x01, 0x3d, ...dword(0x403000)],
      // mov ecx, [401000h]; mov edx, [402000h]; hlt
      ...[0x8b, 0x0d, ...dword(0x401000), 0x8b, 0x15, ...dword(0x402000), 0xf4],
    ])
    cpu.ram.set([1, 2, 3, 4], 0x1000)
    cpu.ram.set([5, 6, 7, 8], 0x2000)
    expect(cpu.run(1000).reason).toBe('halt')
    // Behind it there is no memory.
    expect(cpu.state.gpr.slice(0, 4)).toEqual([0x04030201n, 0xffffffffn, 0xffffffffn, 0x08070605n])
  })

  test('of a page of code has it fetched anew, from where it is then', () => {
    const table = 0x22000
    const call = [0xff, 0xd6]
    const cpu = started(table | 7, [
      // mov esi, 400000h; call esi, twice; mov dword [table], 31007h; invlpg [400000h]; call esi; hlt
      ...[0xbe, ...dword(0x400000), ...call, ...call],
      ...[0xc7, 0x05, ...dword(table), ...dword(0x31007), 0x0f, 0x01, 0x3d, ...dword(0x400000), ...call, 0xf4],
    ])
    new DataView(cpu.ram.buffer, cpu.ram.byteOffset).setUint32(table, 0x30007, true)
    // inc eax; ret: inc ebx; ret
    cpu.ram.set([0x40, 0xc3], 0x30000)
    cpu.ram.set([0x43, 0xc3], 0x31000)
    expect(cpu.run(1000).reason).toBe('halt')
    expect([cpu.state.gpr[0], cpu.state.gpr[3]]).toEqual([2n, 1n])
  })
})
