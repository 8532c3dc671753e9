/**
 * The host's own CPU as an oracle: runs a few bytes of ring-3 machine code with a given register, flag, x87, SSE and
 * memory state and gives the state afterwards. Linux on x86-64 only; `nativeCpu()` says why elsewhere.
 *
 * One mapping holds the wrapper's code, the state it loads and stores, a stack, and the data that guests of the oracle
 * work on. The code must not fault, and must not leave the data and its stack.
 */
import { readFileSync } from 'node:fs'
import { arch, platform } from 'node:process'

/** What goes into and comes out of a piece of code. */
export interface CpuSnapshot {
  /** RAX RCX RDX RBX RSP RBP RSI RDI R8 to R15. */
  gpr: BigUint64Array
  rflags: number
  /** FXSAVE64 image: x87, MXCSR, XMM0 to XMM15. */
  fxsave: Uint8Array
  /** The upper halves of YMM0 to YMM15. */
  ymmHigh: Uint8Array
  /** The bytes at `dataAddress`. */
  data: Uint8Array
  /** The exception it ended with; undefined when it ran to its end. Natively always undefined. */
  exception?: number
}

/** Something that executes 64-bit machine code on a snapshot. */
export interface CpuTarget {
  readonly name: string
  /** Where the data lies for the code; pointers in the snapshot must be made with it. */
  readonly dataAddress: bigint
  /** Runs `code` to its end. `input` is left as it is, `output` is overwritten. */
  run(code: Uint8Array, input: CpuSnapshot, output: CpuSnapshot): void
}

/** Bytes of data that a snapshot carries. */
export const DATA_SIZE = 1024
/** Longest piece of code. */
export const CODE_SIZE = 1024

export function newSnapshot(): CpuSnapshot {
  return {
    gpr: new BigUint64Array(16),
    rflags: 0x202,
    fxsave: new Uint8Array(512),
    ymmHigh: new Uint8Array(256),
    data: new Uint8Array(DATA_SIZE),
  }
}

// ---- layout of the mapping ----
export const MAP_SIZE = 0x10000
export const BLOB = 0x400
const STATE = 0x1000
const IN_GPR = STATE
const OUT_GPR = STATE + 0x80
const IN_FLAGS = STATE + 0x100
const OUT_FLAGS = STATE + 0x108
const HOST_RSP = STATE + 0x110
const HOST_MXCSR = STATE + 0x118
const HOST_CW = STATE + 0x11c
const IN_FX = STATE + 0x200
const OUT_FX = STATE + 0x400
const IN_YMM = STATE + 0x600
const OUT_YMM = STATE + 0x700
const STACK_TOP = 0x8000
export const DATA = 0x9000

/** Machine code with operands relative to RIP. */
class Emitter {
  readonly bytes: number[] = []

  constructor(private readonly origin: number) {}

  emit(...bytes: number[]): this {
    this.bytes.push(...bytes)
    return this
  }

  /** `opcode` bytes whose memory operand is [rip + to], in a ModRM with `reg`. */
  at(to: number, reg: number, ...opcode: number[]): this {
    this.bytes.push(...opcode, 0x05 | (reg << 3))
    const next = this.origin + this.bytes.length + 4
    const displacement = to - next
    for (let i = 0; i < 4; i++) this.bytes.push((displacement >> (i * 8)) & 0xff)
    return this
  }

  /** VINSERTF128 of the upper half of YMMn from memory, or VEXTRACTF128 of it. */
  moveYmmHigh(n: number, address: number, load: boolean): this {
    const vex = [0xc4, 0x63 | (n < 8 ? 0x80 : 0), load ? ((n ^ 15) << 3) | 5 : 0x7d, load ? 0x18 : 0x19]
    // The immediate behind the displacement counts.
    return this.at(address - 1, n & 7, ...vex).emit(1)
  }

  moveGpr(n: number, address: number, load: boolean): this {
    return this.at(address, n & 7, 0x48 | (n >> 3 ? 4 : 0), load ? 0x8b : 0x89)
  }
}

function prologue(avx: boolean): number[] {
  const e = new Emitter(0)
  e.emit(0x53, 0x55, 0x41, 0x54, 0x41, 0x55, 0x41, 0x56, 0x41, 0x57) // push rbx, rbp, r12 to r15
  e.moveGpr(4, HOST_RSP, false)
  e.at(HOST_MXCSR, 3, 0x0f, 0xae).at(HOST_CW, 7, 0xd9) // stmxcsr, fnstcw
  e.at(IN_FX, 1, 0x48, 0x0f, 0xae) // fxrstor64
  if (avx) for (let n = 0; n < 16; n++) e.moveYmmHigh(n, IN_YMM + n * 16, true)
  e.at(IN_FLAGS, 6, 0xff).emit(0x9d) // push flags, popfq
  for (let n = 0; n < 16; n++) e.moveGpr(n, IN_GPR + n * 8, true)
  const jump = BLOB - (e.bytes.length + 5)
  return e.emit(0xe9, jump & 0xff, (jump >> 8) & 0xff, 0, 0).bytes
}

function epilogue(origin: number, avx: boolean): number[] {
  const e = new Emitter(origin)
  for (let n = 0; n < 16; n++) e.moveGpr(n, OUT_GPR + n * 8, false)
  e.moveGpr(4, HOST_RSP, true)
  e.emit(0x9c).at(OUT_FLAGS, 0, 0x8f) // pushfq, pop
  e.at(OUT_FX, 0, 0x48, 0x0f, 0xae) // fxsave64
  if (avx) for (let n = 0; n < 16; n++) e.moveYmmHigh(n, OUT_YMM + n * 16, false)
  if (avx) e.emit(0xc5, 0xf8, 0x77) // vzeroupper
  e.emit(0xdb, 0xe3).at(HOST_CW, 5, 0xd9).at(HOST_MXCSR, 2, 0x0f, 0xae).emit(0xfc) // fninit, fldcw, ldmxcsr, cld
  return e.emit(0x41, 0x5f, 0x41, 0x5e, 0x41, 0x5d, 0x41, 0x5c, 0x5d, 0x5b, 0xc3).bytes
}

/** The reason why this host is no oracle, or undefined. */
export function whyNotNative(): string | undefined {
  if (platform !== 'linux') return `needs Linux, this is ${platform}`
  if (arch !== 'x64') return `needs an x86-64 host, this is ${arch}`
  return undefined
}

/** True where Linux shows the CPU feature, by the name that it has in /proc/cpuinfo. */
export function hostHas(feature: string): boolean {
  hostFeatures ??= /^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1].trim().split(' ') ?? []
  return hostFeatures.includes(feature)
}

let hostFeatures: string[] | undefined

class NativeCpu implements CpuTarget {
  readonly name = 'native'
  readonly dataAddress: bigint
  private readonly bytes: Uint8Array
  private readonly view: DataView
  private readonly words: BigUint64Array
  private readonly call: () => void
  private lastCode: Uint8Array | undefined

  constructor(
    memory: ArrayBuffer,
    address: bigint,
    private readonly stack: bigint,
    call: () => void,
    private readonly avx: boolean,
  ) {
    this.bytes = new Uint8Array(memory)
    this.view = new DataView(memory)
    this.words = new BigUint64Array(memory)
    this.dataAddress = address + BigInt(DATA)
    this.call = call
    this.bytes.set(prologue(avx), 0)
  }

  run(code: Uint8Array, input: CpuSnapshot, output: CpuSnapshot): void {
    if (code !== this.lastCode) {
      if (code.length > CODE_SIZE) throw new Error(`${code.length} bytes of code, more than ${CODE_SIZE}`)
      this.bytes.set(code, BLOB)
      this.bytes.set(epilogue(BLOB + code.length, this.avx), BLOB + code.length)
      this.lastCode = code
    }
    this.words.set(input.gpr, IN_GPR / 8)
    if (input.gpr[4] === 0n) this.words[IN_GPR / 8 + 4] = this.stack
    // IF is the kernel's; IOPL, NT, TF and the like stay off.
    this.view.setUint32(IN_FLAGS, (input.rflags & 0xcd5) | 0x202, true)
    this.bytes.set(input.fxsave, IN_FX)
    this.bytes.set(input.ymmHigh, IN_YMM)
    this.bytes.set(input.data, DATA)
    this.call()
    output.gpr.set(this.words.subarray(OUT_GPR / 8, OUT_GPR / 8 + 16))
    if (input.gpr[4] === 0n) output.gpr[4] -= this.stack
    output.rflags = this.view.getUint32(OUT_FLAGS, true)
    output.fxsave.set(this.bytes.subarray(OUT_FX, OUT_FX + 512))
    // Without AVX nothing changes there.
    output.ymmHigh.set(this.avx ? this.bytes.subarray(OUT_YMM, OUT_YMM + 256) : input.ymmHigh)
    output.data.set(this.bytes.subarray(DATA, DATA + DATA_SIZE))
    output.exception = undefined
  }
}

/** Maps the wrapper and gives the oracle; throws where `whyNotNative()` has a reason. */
export async function nativeCpu(): Promise<CpuTarget> {
  const reason = whyNotNative()
  if (reason) throw new Error(`no native oracle: ${reason}`)
  const { default: koffi } = await import('koffi')
  const libc = koffi.load('libc.so.6')
  const mmap = libc.func('void *mmap(void *address, size_t length, int protection, int flags, int file, long offset)')
  const PROT_READ_WRITE_EXEC = 7
  // Below 2 GiB, so that 32-bit addresses reach it.
  const MAP_PRIVATE_ANONYMOUS_32BIT = 0x62
  const map = () => {
    const pointer = mmap(null, MAP_SIZE, PROT_READ_WRITE_EXEC, MAP_PRIVATE_ANONYMOUS_32BIT, -1, 0)
    const address = BigInt(koffi.address(pointer))
    if (address === 0xffffffffffffffffn) throw new Error('no native oracle: mmap of executable memory was refused')
    return { pointer, address }
  }
  let { pointer, address } = map()
  // The soft engine's mirror of it has one page table, so it must not cross 2 MiB; the next one lies beside it.
  while (address >> 21n !== (address + BigInt(MAP_SIZE - 1)) >> 21n) ({ pointer, address } = map())
  const memory = koffi.view(pointer, MAP_SIZE)
  const call = koffi.decode(pointer, koffi.proto('void', [])) as () => void
  return new NativeCpu(memory, address, address + BigInt(STACK_TOP), call, hostHas('avx'))
}
