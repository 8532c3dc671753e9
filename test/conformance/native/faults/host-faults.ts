/**
 * The host's own CPU as an oracle for code that faults: a process of its own (`host.asm`) takes the signals, so neither
 * a wild store nor an endless loop harms the tests. Linux on x86-64 with nasm only.
 */
import { spawnSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { haveNasm } from '../../../machine/cpu/driver.js'
import type { Mode } from '../encoding.js'
import { hostHas, whyNotNative } from '../native-cpu.js'

/** One page of data for the code to work on; its neighbours are absent. 16-bit code has it at 1000h of DS and ES. */
export const DATA = 0x30001000
/** Where the code lies; its page is filled up with INT3. 16-bit code starts at 0 of CS. */
export const CODE = 0x38000000
/** Base of the 16-bit data segments. */
export const BASE16 = 0x30000000
export const PAGE = 4096
export const AC = 0x40000

/** The state that a piece of code starts from. */
export interface FaultCase {
  mode: Mode
  /** At most 64 bytes. */
  code: Uint8Array
  /** RAX RCX RDX RBX RSP RBP RSI RDI R8 to R15. */
  gpr: BigUint64Array
  /** With TF one instruction is executed, and it ends in exception 1. */
  rflags: number
  /** FXSAVE64 image. */
  fxsave: Uint8Array
  ymmHigh: Uint8Array
  /** The page at DATA. */
  data: Uint8Array
}

/** How it ended. */
export interface Outcome {
  /** The exception; ENDLESS where none came. */
  trap: number
  error: number
  cr2: bigint
  /** From the start of the code. */
  rip: number
  rflags: number
  gpr: { [index: number]: bigint }
  fxsave: Uint8Array
  ymmHigh: Uint8Array
  data: Uint8Array
}

/** Neither an exception nor an end within some milliseconds. */
export const ENDLESS = 999

// Layouts of host.asm's records.
const IN = { mode: 0, length: 4, flags: 8, gpr: 16, code: 144, fx: 256, xstate: 768, ymm: 832, data: 1088, size: 5184 }
const OUT = { trap: 0, error: 8, cr2: 16, rip: 24, flags: 32, gpr: 64, fx: 192, ymm: 704, data: 960, size: 5056 }
/** Where a sigcontext has RAX RCX RDX RBX RSP RBP RSI RDI R8 to R15. */
const SIGCONTEXT = [13, 14, 12, 11, 15, 10, 9, 8, 0, 1, 2, 3, 4, 5, 6, 7]
/** Cases to a file. */
const BATCH = 4096

/** The reason why this host is no oracle for faults, or undefined. */
export function whyNoHostFaults(): string | undefined {
  const native = whyNotNative()
  if (native !== undefined) return native
  if (!haveNasm) return 'nasm is not installed'
  if (!hostHas('avx')) return 'the host has no AVX'
  return undefined
}

/**
 * The reason why this host runs no code of `mode`, or undefined: a kernel may have no 32-bit segments (ia32_emulation=0, or
 * under a hypervisor such as PVM) and give no LDT.
 */
export function whyNoMode(mode: Mode): string | undefined {
  const why = whyNoHostFaults()
  if (why !== undefined || mode === 64) return why
  enters ??= tryModes()
  return enters.has(mode) ? undefined : `the host’s kernel runs no ${mode}-bit code`
}

let enters: Set<Mode> | undefined

/** Those in which a NOP is stepped over. */
function tryModes(): Set<Mode> {
  const host = new HostFaults()
  try {
    const fxsave = new Uint8Array(512)
    fxsave.set([0x7f, 3], 0)
    fxsave.set([0x80, 0x1f], 24)
    const modes: Mode[] = [64, 32, 16]
    const outcomes = host.run(
      modes.map((mode) => ({
        mode,
        code: Uint8Array.of(0x90),
        gpr: new BigUint64Array(16),
        rflags: 0x302,
        fxsave,
        ymmHigh: new Uint8Array(256),
        data: new Uint8Array(PAGE),
      })),
    )
    return new Set(modes.filter((_, i) => outcomes[i]?.trap === 1 && outcomes[i].rip === 1))
  } finally {
    host.close()
  }
}

export class HostFaults {
  private readonly folder = mkdtempSync(join(tmpdir(), 'bootwright-faults-'))
  private readonly program = join(this.folder, 'host')

  constructor() {
    const source = fileURLToPath(new URL('host.asm', import.meta.url))
    const { status, stderr } = spawnSync('nasm', ['-f', 'bin', '-o', this.program, source], { encoding: 'utf8' })
    if (status !== 0) throw new Error(`nasm: ${stderr}`)
    spawnSync('chmod', ['+x', this.program])
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }

  /** Runs each case; undefined where it took the process with it. */
  run(cases: readonly FaultCase[]): (Outcome | undefined)[] {
    const outcomes: (Outcome | undefined)[] = []
    while (outcomes.length < cases.length) {
      const batch = cases.slice(outcomes.length, outcomes.length + BATCH)
      const found = this.batch(batch)
      outcomes.push(...found)
      if (found.length < batch.length) outcomes.push(undefined)
    }
    return outcomes
  }

  /** Outcomes up to the case that killed the process. */
  private batch(cases: readonly FaultCase[]): Outcome[] {
    const [input, output] = [join(this.folder, 'in'), join(this.folder, 'out')]
    writeFileSync(input, encode(cases))
    const [from, to] = [openSync(input, 'r'), openSync(output, 'w')]
    try {
      spawnSync(this.program, [], { stdio: [from, to, 'inherit'] })
    } finally {
      closeSync(from)
      closeSync(to)
    }
    const bytes = readFileSync(output)
    return Array.from({ length: Math.floor(bytes.length / OUT.size) }, (_, i) =>
      decode(bytes.subarray(i * OUT.size, (i + 1) * OUT.size), cases[i].mode),
    )
  }
}

function encode(cases: readonly FaultCase[]): Buffer {
  const bytes = Buffer.alloc(cases.length * IN.size)
  for (const [i, c] of cases.entries()) {
    const at = i * IN.size
    bytes.writeUInt32LE(c.mode, at + IN.mode)
    bytes.writeUInt32LE(c.code.length, at + IN.length)
    bytes.writeUInt32LE(c.rflags, at + IN.flags)
    for (let k = 0; k < 16; k++) bytes.writeBigUInt64LE(c.gpr[k], at + IN.gpr + k * 8)
    bytes.set(c.code, at + IN.code)
    bytes.set(c.fxsave, at + IN.fx)
    bytes[at + IN.xstate] = 7
    bytes.set(c.ymmHigh, at + IN.ymm)
    bytes.set(c.data, at + IN.data)
  }
  return bytes
}

function decode(bytes: Buffer, mode: Mode): Outcome {
  const trap = Number(bytes.readBigUInt64LE(OUT.trap))
  return {
    trap,
    error: Number(bytes.readBigUInt64LE(OUT.error)),
    cr2: bytes.readBigUInt64LE(OUT.cr2),
    rip: Number(BigInt.asIntN(64, bytes.readBigUInt64LE(OUT.rip) - BigInt(mode === 16 ? 0 : CODE))),
    rflags: bytes.readUInt32LE(OUT.flags),
    gpr: BigUint64Array.from(SIGCONTEXT, (k) => bytes.readBigUInt64LE(OUT.gpr + k * 8)),
    fxsave: bytes.subarray(OUT.fx, OUT.fx + 512),
    ymmHigh: bytes.subarray(OUT.ymm, OUT.ymm + 256),
    data: bytes.subarray(OUT.data, OUT.data + PAGE),
  }
}
