/**
 * Every form of every opcode with a memory operand that faults, each followed by code that was never decoded before: it must
 * do what it does on a CPU on which nothing has faulted. What an unwound instruction left half-way shows so.
 */
import { type CpuSnapshot, newSnapshot } from '../../../conformance/native/native-cpu.js'
import { SoftCpu } from '../../../conformance/native/soft-cpu.js'
import { assemble } from '../driver.js'

export interface Encoding {
  name: string
  bytes: number[]
}

/** Not present: across the end of what is mapped, and beyond; not canonical. */
const FAULTING = [0x1ffffcn, 0x3ffff8n, 0x8000000000000000n]

const PROBES = {
  loads: 'mov eax, [rbx]\nmov ecx, [rbx + 8]\nmov edx, [ebx + 16]',
  'SSE division': 'divps xmm1, xmm2\nstmxcsr [rbx]\nmov eax, [rbx]',
  'SSE denormals': 'mulps xmm4, xmm5\nstmxcsr [rbx]\nmov eax, [rbx]',
  'AVX division': 'vdivps ymm1, ymm1, ymm2\nstmxcsr [rbx]\nmov eax, [rbx]',
  'half floats': 'vcvtps2ph xmm3, xmm1, 4\nstmxcsr [rbx]\nmov eax, [rbx]',
  x87: 'fninit\nfld1\npush 3\nfild dword [rsp]\npop rax\nfdivp\nfnstsw ax\nfstp qword [rbx]\nmov rcx, [rbx]',
  'a gather': 'vpcmpeqd xmm6, xmm6, xmm6\nvpxor xmm7, xmm7, xmm7\nvpgatherdd xmm8, [rbx + xmm7], xmm6\nvmovd eax, xmm8',
  'the stack': 'push 0x55\npop rax\nlea rcx, [rsp]',
  'LOCK XADD': 'lock xadd [rbx], eax\nmov ecx, [rbx]',
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i)
const PREFIXES = [0x26, 0x2e, 0x36, 0x3e, ...range(0x40, 0x4f), 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3]
const ESCAPES = [0x0f, 0xc4, 0xc5]
/** What does not come back, or leaves another machine: far transfers, returns, branches, HLT, segments, flags, ports of call. */
const KEPT = [
  ...[0x17, 0x1f, 0x8e, 0x9a, 0x9c, 0x9d, 0xc2, 0xc3, 0xc8, 0xc9, 0xca, 0xcb, 0xcc, 0xcd, 0xcf],
  ...[...range(0x70, 0x7f), ...range(0xe0, 0xe3), 0xe8, 0xe9, 0xea, 0xeb, 0xf1, 0xf4, 0xfa, 0xfb],
]
/** Descriptor tables, control registers, MSRs, SYSCALL and its kin, RSM, cache control, XSAVE's group. */
const KEPT_0F = [0x00, 0x01, 0x05, 0x07, 0x08, 0x09, ...range(0x20, 0x23), 0x30, 0x34, 0x35, 0xaa, 0xae]

const hex = (bytes: readonly number[]): string => bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(' ')

function* legacy(): Generator<Encoding> {
  const maps = [[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]]
  for (const lock of [[], [0xf0]])
    for (const prefix of [[], [0x66], [0xf2], [0xf3]])
      for (const rex of [[], [0x48]])
        for (const [map, lead] of maps.entries())
          for (const opcode of range(0, 255)) {
            if (map === 0 && [...PREFIXES, ...ESCAPES, ...KEPT].includes(opcode)) continue
            if (map === 1 && [0x38, 0x3a, ...KEPT_0F].includes(opcode)) continue
            const start = [...lock, ...prefix, ...rex, ...lead, opcode]
            for (const reg of range(0, 7)) {
              const relative = [...start, 0x05 | (reg << 3), 0, 0, 0x30, 0]
              yield { name: `${hex(start)} /${reg} [rip]`, bytes: [...relative, 0x90, 0x90, 0x90, 0x90] }
              if (lock.length > 0) continue
              yield {
                name: `${hex(start)} /${reg} [rdi]`,
                bytes: [...start, 0x07 | (reg << 3), 0x90, 0x90, 0x90, 0x90],
              }
            }
          }
}

function* vex(): Generator<Encoding> {
  // ModRM and what belongs to it: [rdi], [rip], and an index that is a vector.
  const operands = [
    ...range(0, 7).flatMap((reg) => [[0x07 | (reg << 3)], [0x05 | (reg << 3), 0, 0, 0x30, 0]]),
    [0x04, 0x3f],
  ]
  for (const prefix of range(0, 3))
    for (const length of [0, 1])
      for (const wide of [0, 1])
        for (const map of [1, 2, 3])
          for (const opcode of range(0, 255))
            for (const vvvv of [15, 14])
              for (const operand of operands) {
                const start = [0xc4, 0xe0 | map, (wide << 7) | (vvvv << 3) | (length << 2) | prefix, opcode, ...operand]
                yield { name: hex(start), bytes: [...start, 0x90, 0x90] }
              }
}

export function* faultingEncodings(): Generator<Encoding> {
  yield* legacy()
  yield* vex()
}

/** What is visible of a run: exception, registers that probes leave results in, flags. */
const visible = (s: CpuSnapshot): string =>
  [s.exception ?? 'none', s.gpr[0], s.gpr[1], s.gpr[2], s.rflags & 0x8d5].join()

export class UnwoundProbes {
  private cpu = new SoftCpu({}, undefined, 'max')
  private readonly base: CpuSnapshot
  private readonly probes: [string, Uint8Array, string][]
  private readonly input = newSnapshot()
  private readonly output = newSnapshot()
  /** Encodings that were run, and those that faulted. */
  runs = 0
  faults = 0

  constructor() {
    const base = newSnapshot()
    const fx = new DataView(base.fxsave.buffer, base.fxsave.byteOffset)
    fx.setUint16(0, 0x37f, true)
    fx.setUint32(24, 0x1f80, true)
    // XMM1 and 2: 1 and 3; XMM4 and 5: a denormal and 0.3.
    for (let i = 0; i < 16; i += 4) {
      fx.setFloat32(176 + i, 1, true)
      fx.setFloat32(192 + i, 3, true)
      fx.setUint32(224 + i, 0x00400000, true)
      fx.setFloat32(240 + i, 0.3, true)
    }
    for (let i = 0; i < 16; i++) base.gpr[i] = BigInt(0x1000 + i)
    base.gpr[3] = this.cpu.dataAddress
    base.gpr[4] = 0n
    for (let i = 0; i < base.data.length; i++) base.data[i] = i & 0xff
    this.base = base
    this.probes = Object.entries(PROBES).map(([name, source]) => {
      const code = assemble(`bits 64\n${source}\n`)
      this.cpu = new SoftCpu({}, undefined, 'max')
      return [name, code, this.probe(code)]
    })
    this.input.fxsave.set(base.fxsave)
  }

  /** Runs the encoding until it faults, then the probes: what one of them does otherwise than it should, or undefined. */
  check({ name, bytes }: Encoding): string | undefined {
    const { input, output, base } = this
    this.runs++
    for (const address of FAULTING) {
      input.gpr.set(base.gpr)
      input.data.set(base.data)
      input.rflags = 0x202
      for (const register of [6, 7]) input.gpr[register] = address
      input.gpr[0] = 0x5an
      this.cpu.run(Uint8Array.from(bytes), input, output)
      if (output.exception === undefined) continue
      this.faults++
      for (const [probe, code, wanted] of this.probes) {
        const got = this.probe(code)
        if (got === wanted) continue
        this.cpu = new SoftCpu({}, undefined, 'max')
        return `${name} raises ${output.exception}; then ${probe}: ${got} for ${wanted}`
      }
      return undefined
    }
    return undefined
  }

  private probe(code: Uint8Array): string {
    // A copy, so that it is decoded anew.
    this.cpu.run(Uint8Array.from(code), this.base, this.output)
    return visible(this.output)
  }
}
