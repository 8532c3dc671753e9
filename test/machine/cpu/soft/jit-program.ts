/** Random programs of integer instructions for the comparison of compiled code with the interpreter. */
import type { Random } from '../../../random.js'
import type { BareCpu } from '../driver.js'

export const MODES = ['16-bit', '32-bit', '64-bit'] as const
export type Mode = (typeof MODES)[number]

const AT = 0x7c00
const DATA = 0x9000
const TABLES = 0x20000
const CC = ['o', 'no', 'b', 'nb', 'z', 'nz', 'be', 'a', 's', 'ns', 'p', 'np', 'l', 'ge', 'le', 'g']
const PASSES = 60

/** A loop over some forty instructions with branches, calls and memory operands in it. */
export function randomProgram(random: Random, mode: Mode): string {
  const bits = Number(mode.slice(0, 2))
  const sizes = bits === 64 ? [8, 16, 32, 64] : [8, 16, 32]
  const numbered = bits === 64 ? ['8', '9', '10', '11', '12', '13'] : []
  const letters = ['a', 'b', 'c', 'd']
  const register = (size: number): string => {
    if (numbered.length && random.chance(3)) {
      const n = random.pick(numbered)
      return `r${n}${{ 8: 'b', 16: 'w', 32: 'd', 64: '' }[size]}`
    }
    const letter = random.pick(letters)
    if (size === 8) return letter + random.pick(bits === 64 ? ['l'] : ['l', 'h'])
    if (random.chance(3)) return { 16: '', 32: 'e', 64: 'r' }[size] + random.pick(['si', 'di'])
    return `${{ 16: '', 32: 'e', 64: 'r' }[size]}${letter}x`
  }
  const word = { 8: 'byte', 16: 'word', 32: 'dword', 64: 'qword' }
  const at = (): string => `[${bits === 16 ? 'bp' : bits === 32 ? 'ebp' : 'rbp'} + ${random.below(64)}]`
  const memory = (size: number): string => `${word[size as 8]} ${at()}`
  const operand = (size: number): string => (random.chance(3) ? memory(size) : register(size))
  const number = (size: number): string => {
    const value = random.pick([random.below(256), random.u32(), 1, 0, 0x80, 0x7fffffff, 0x80000000])
    return String(size === 8 ? value & 0x7f : size === 16 ? value & 0x7fff : value & 0x7fffffff)
  }
  const counter = `[${DATA + 0x200}]`
  let label = 0
  const one = (): string => {
    const size = random.pick(sizes)
    const wide = random.pick(sizes.slice(1))
    const stack = bits === 64 ? random.pick([16, 64]) : random.pick([16, 32])
    const forms: (() => string)[] = [
      () =>
        `${random.pick(['add', 'or', 'adc', 'sbb', 'and', 'sub', 'xor', 'cmp'])} ${operand(size)}, ${register(size)}`,
      () =>
        `${random.pick(['add', 'or', 'adc', 'sbb', 'and', 'sub', 'xor', 'cmp'])} ${register(size)}, ${operand(size)}`,
      () => `${random.pick(['add', 'or', 'adc', 'sbb', 'and', 'sub', 'xor', 'cmp'])} ${operand(size)}, ${number(size)}`,
      () => `test ${operand(size)}, ${register(size)}`,
      () => `${random.pick(['inc', 'dec', 'not', 'neg'])} ${operand(size)}`,
      () => `mov ${operand(size)}, ${register(size)}`,
      () => `mov ${register(size)}, ${operand(size)}`,
      () => `mov ${register(size)}, ${number(size)}`,
      () => `${random.pick(['rol', 'ror', 'rcl', 'rcr', 'shl', 'shr', 'sar'])} ${operand(size)}, ${random.below(66)}`,
      () => `${random.pick(['rol', 'ror', 'rcl', 'rcr', 'shl', 'shr', 'sar'])} ${operand(size)}, cl`,
      () => `${random.pick(['rol', 'ror', 'shl', 'shr', 'sar'])} ${operand(size)}, 1`,
      () => `imul ${register(wide)}, ${operand(wide)}`,
      () => `imul ${register(wide)}, ${operand(wide)}, ${number(16)}`,
      () => `${random.pick(['mul', 'imul'])} ${operand(size)}`,
      () => `${random.pick(['movzx', 'movsx'])} ${register(wide)}, ${random.chance(2) ? register(8) : memory(8)}`,
      () => `lea ${register(wide)}, ${at()}`,
      () => `xchg ${operand(size)}, ${register(size)}`,
      () => `bswap ${register(bits === 64 && random.chance(2) ? 64 : 32)}`,
      () => `set${random.pick(CC)} ${operand(8)}`,
      () => `cmov${random.pick(CC)} ${register(wide)}, ${operand(wide)}`,
      () => `${random.pick(['bt', 'bts', 'btr', 'btc'])} ${operand(wide)}, ${random.below(64)}`,
      () => `${random.pick(['bt', 'bts', 'btr', 'btc'])} ${register(wide)}, ${register(wide)}`,
      () => `${random.pick(['bsf', 'bsr'])} ${register(wide)}, ${operand(wide)}`,
      () => `${random.pick(['shld', 'shrd'])} ${operand(wide)}, ${register(wide)}, ${random.below(66)}`,
      () => `${random.pick(['shld', 'shrd'])} ${register(wide)}, ${register(wide)}, cl`,
      () => random.pick(['clc', 'stc', 'cmc', 'cld', 'std', 'lahf', 'sahf', 'cbw', 'cwd', 'cdq', 'cwde', 'nop']),
      () => `push ${register(stack)}\npop ${register(stack)}`,
      () => `push ${memory(stack)}\npop ${register(stack)}`,
      () => `pushf\npop ${register(bits)}`,
      () => `xadd ${operand(size)}, ${register(size)}`,
      () => `cmpxchg ${operand(size)}, ${register(size)}`,
      () => `${random.pick(['bt', 'bts', 'btr', 'btc'])} ${memory(wide)}, ${random.below(64)}`,
      () => {
        // A register counts bits on from the operand: some hundred bytes of them.
        const reg = register(wide)
        return `and ${reg}, 0x1ff\n${random.pick(['bt', 'bts', 'btr', 'btc'])} ${memory(wide)}, ${reg}`
      },
      () => {
        const divisor = random.pick(bits === 64 ? ['rbx', 'ebx', 'bx'] : ['ebx', 'bx'])
        const sign = random.chance(2)
        const extend = sign ? { r: 'cqo', e: 'cdq', b: 'cwd' }[divisor[0]] : 'mov edx, 0'
        return `mov ebx, ${random.below(1000) + 1}\n${extend}\n${sign ? 'idiv' : 'div'} ${divisor}`
      },
      () => {
        const [letter, bytes] = random.pick([['b', 1] as const, ['w', 2] as const, ['d', 4] as const])
        const name = random.pick(['movs', 'stos', 'lods', 'cmps', 'scas'])
        const wideIndex = bits === 64 ? ['rsi', 'rdi'] : ['esi', 'edi']
        const index = wideIndex.map((r) => `mov ${r}, ${DATA + 0x40 + random.below(64)}`).join('\n')
        return `${index}\n${random.pick(['cld', 'std'])}\n${name}${letter}\nadd ${register(16)}, ${bytes}`
      },
      () => {
        const n = label++
        const cases = Array.from({ length: random.pick([2, 8]) }, (_, i) => `case${n}_${i}`)
        const b = { 16: 'bx', 32: 'ebx', 64: 'rbx' }[bits]
        const define = { 16: 'dw', 32: 'dd', 64: 'dq' }[bits]
        const choose = `mov bx, ${counter}\nand ebx, ${cases.length - 1}\nadd ${b}, ${b}`
        const scaled = bits === 16 ? 'bx' : `${b} * ${bits / 16}`
        const go = `${random.pick(['jmp', 'call'])} [table${n} + ${scaled}]\njmp near end${n}`
        const table = `table${n}: ${define} ${cases.join(', ')}`
        const bodies = cases.map((name) => `${name}:\n${one()}\n${go.startsWith('call') ? 'ret' : `jmp near end${n}`}`)
        return `${choose}\n${go}\n${table}\n${bodies.join('\n')}\nend${n}:`
      },
      () => vectorInstruction(random, bits, at),
      () => vectorInstruction(random, bits, at),
      () => vectorInstruction(random, bits, at),
      () => x87Instruction(random, at),
      () => x87Instruction(random, at),
      () => `call near function${random.below(3)}`,
      () => {
        const b = { 16: 'bx', 32: 'ebx', 64: 'rbx' }[bits]
        return `mov ebx, function${random.below(3)}\ncall ${b}`
      },
      () => {
        const here = `skip${label++}`
        return `j${random.pick(CC)} ${here}\n${one()}\n${one()}\n${here}:`
      },
    ]
    return random.pick(forms)()
  }
  const many = (n: number): string => Array.from({ length: n }, one).join('\n')
  const functions = [0, 1, 2].map((i) => {
    // They call nobody.
    let body = many(4)
    while (body.includes('call')) body = many(4)
    return `function${i}:\n${body}\nret`
  })
  // On a page of their own, or behind the loop.
  const away = random.chance(2) ? '\ntimes 0x1000 - ($ - $$) db 0x90' : ''
  return `org ${AT}\nbits ${bits}\nmov word ${counter}, ${PASSES}\ntop:\n${many(40)}\n
    dec word ${counter}\njnz near top\nhlt${away}\n${functions.join('\n')}`
}

const PACKED =
  'paddb paddw paddd paddq paddsb paddsw paddusb paddusw psubb psubw psubd psubq psubsb psubsw psubusb psubusw pmullw pmulhw ' +
  'pmulhuw pmuludq pmaddwd pavgb pavgw pminub pmaxub pminsw pmaxsw pcmpeqb pcmpeqw pcmpeqd pcmpgtb pcmpgtw pcmpgtd pand pandn ' +
  'por pxor punpcklbw punpcklwd punpckldq punpcklqdq punpckhbw punpckhwd punpckhdq punpckhqdq packsswb packssdw packuswb ' +
  'pshufb pabsb pabsw pabsd pminsb pmaxsb pminuw pmaxuw pminsd pmaxsd pminud pmaxud pmulld pcmpeqq pcmpgtq packusdw psadbw ' +
  'psllw pslld psllq psrlw psrld psrlq psraw psrad addps addpd subps subpd mulps mulpd divps divpd minps maxpd sqrtps sqrtpd'
const SCALAR = 'addss addsd subss subsd mulss mulsd divss divsd sqrtss sqrtsd comiss ucomisd comisd ucomiss cvtss2sd'

/** Between which general registers change and are read; the stack may be empty or full. */
function x87Instruction(random: Random, at: () => string): string {
  const st = (): string => `st${random.below(8)}`
  const kind = random.pick(['add', 'mul', 'sub', 'subr', 'div', 'divr'])
  const forms: (() => string)[] = [
    () => `fld ${random.pick(['dword', 'qword', 'tword'])} ${at()}`,
    () => `fild ${random.pick(['word', 'dword', 'qword'])} ${at()}`,
    () => `${random.pick(['fst', 'fstp'])} ${random.pick(['dword', 'qword'])} ${at()}`,
    () => `fistp ${random.pick(['word', 'dword', 'qword'])} ${at()}`,
    () => `f${kind} ${random.pick(['dword', 'qword'])} ${at()}`,
    () => `f${kind} st0, ${st()}\nf${kind}p ${st()}, st0`,
    () => `fld ${st()}\nfxch ${st()}`,
    () => random.pick(['fld1', 'fldz', 'fldpi', 'fchs', 'fabs', 'fsqrt', 'frndint', 'fincstp', 'fninit', 'fnclex']),
    () => `fcom ${st()}\nfnstsw ax`,
    () => `fcomi st0, ${st()}\nset${random.pick(CC)} bl`,
    () => `fcmov${random.pick(['b', 'e', 'be', 'u', 'nb', 'ne', 'nbe', 'nu'])} st0, ${st()}`,
  ]
  return random.pick(forms)()
}

/** On three XMM registers, whose values are ordinary floats and denormals, NaNs and infinities now and then. */
function vectorInstruction(random: Random, bits: number, at: () => string): string {
  const x = (): string => `xmm${random.below(3)}`
  const aligned = `[${DATA + 0x40 + 16 * random.below(4)}]`
  const operand = (): string => (random.chance(3) ? aligned : x())
  const n = random.below(256)
  const general = random.pick(['eax', 'edx'])
  const forms: (() => string)[] = [
    () => `${random.pick(PACKED.split(' '))} ${x()}, ${operand()}`,
    () => `${random.pick(SCALAR.split(' '))} ${x()}, ${random.chance(3) ? at() : x()}`,
    () => `${random.pick(['psllw', 'pslld', 'psllq', 'psrlw', 'psrld', 'psrlq', 'psraw', 'psrad'])} ${x()}, ${n % 70}`,
    () => `${random.pick(['pslldq', 'psrldq'])} ${x()}, ${n % 20}`,
    () =>
      `${random.pick(['pshufd', 'pshuflw', 'pshufhw', 'shufps', 'shufpd', 'palignr'])} ${x()}, ${operand()}, ${n % 40}`,
    () =>
      `${random.pick(['movaps', 'movups', 'movdqa'])} ${random.chance(2) ? `${x()}, ${operand()}` : `${aligned}, ${x()}`}`,
    () => `movdqu ${random.chance(2) ? `${x()}, ${at()}` : `${at()}, ${x()}`}`,
    () => `${random.pick(['movss', 'movsd', 'movq'])} ${x()}, ${random.chance(2) ? at() : x()}`,
    () => `${random.pick(['movss', 'movsd', 'movq', 'movlps', 'movhps'])} ${at()}, ${x()}`,
    () => `${random.pick(['movlps', 'movhps'])} ${x()}, ${at()}`,
    () => `${random.pick(['movhlps', 'movlhps'])} ${x()}, ${x()}`,
    () => `movd ${x()}, ${general}\nmovd ${general}, ${x()}`,
    () => (bits === 64 ? `movq ${x()}, rbx\nmovq rdx, ${x()}` : `movd ${x()}, ebx`),
    () => `${random.pick(['pmovmskb', 'movmskps', 'movmskpd'])} ${general}, ${x()}`,
    () => `cvtsi2sd ${x()}, ${general}`,
    // An ordinary number, and one with which results are inexact.
    () => `mov eax, ${0x3f000000 + random.below(0x1000000)}\nmovd ${x()}, eax\npshufd ${x()}, ${x()}, 0`,
    () =>
      `mov dword [${DATA + 0x80}], ${random.u32()}\nmov dword [${DATA + 0x84}], ${0x3fd00000 + random.below(0x200000)}\n` +
      `movsd ${x()}, [${DATA + 0x80}]`,
  ]
  if (bits !== 16) {
    const y = (): string => random.pick(['xmm', 'ymm'])
    forms.push(
      () => {
        const w = y()
        const [a, b, c] = [random.below(3), random.below(3), random.below(3)]
        const source = random.chance(3) ? `[${DATA + 0x40 + random.below(64)}]` : `${w}${c}`
        const name = random.pick(PACKED.split(' '))
        if (/^(sqrt|pabs)/.test(name)) return `v${name} ${w}${a}, ${source}`
        if (/^ps[lr]/.test(name)) return `v${name} ${w}${a}, ${w}${b}, xmm${c}`
        return `v${name} ${w}${a}, ${w}${b}, ${source}`
      },
      () => {
        const w = y()
        return random.chance(2)
          ? `vmovdqu ${w}${random.below(3)}, [${DATA + 0x40 + random.below(64)}]`
          : `vmovups [${DATA + 0x40 + random.below(64)}], ${w}${random.below(3)}`
      },
      () => {
        const w = y()
        return `${random.pick(['vpslld', 'vpsraw', 'vpslldq', 'vpsrldq'])} ${w}0, ${w}${random.below(3)}, ${n % 40}`
      },
      () => `vpshufd ymm0, ymm${random.below(3)}, ${n}\nvpalignr ymm1, ymm${random.below(3)}, ymm2, ${n % 34}`,
      () => `vmovd ${x()}, ${general}\nvmovq ${x()}, ${x()}\nvmovss ${x()}, ${at().replace('[', 'dword [')}`,
    )
  }
  return random.pick(forms)()
}

/** Puts a program at 7C00h and starts it in `mode`: flat, 64-bit code with 4 MiB mapped, the upper two to the lower. */
export function startProgram(cpu: BareCpu, program: Uint8Array, mode: Mode): void {
  cpu.boot(program, AT)
  for (let i = 0; i < 0x200; i++) cpu.ram[DATA + i] = (i * 37) & 0xff
  const state = cpu.state
  state.gpr = state.gpr.map((_, i) => BigInt(i + 1) * 0x01234567n)
  state.gpr[4] = 0x7c00n
  state.gpr[5] = BigInt(DATA)
  state.cr4 |= 0x600n // OSFXSR, OSXMMEXCPT
  if (mode !== '16-bit') {
    state.cr4 |= 0x40000n // OSXSAVE
    state.xcr0 = 7n
    const code = mode === '64-bit' ? 0xa09b : 0xc09b
    state.cr0 |= 1n
    state.segments = state.segments.map((_, i) => ({
      selector: 8,
      base: 0n,
      limit: 0xffffffff,
      access: i === 1 ? code : 0xc093,
    }))
  }
  if (mode === '64-bit') {
    const table = new DataView(cpu.ram.buffer, cpu.ram.byteOffset + TABLES)
    table.setBigUint64(0, BigInt(TABLES + 0x1000) | 7n, true)
    table.setBigUint64(0x1000, BigInt(TABLES + 0x2000) | 7n, true)
    table.setBigUint64(0x2000, 0x87n, true)
    table.setBigUint64(0x2008, 0x87n, true)
    state.cr4 |= 0x20n
    state.cr3 = BigInt(TABLES)
    state.efer |= 0x500n
    state.cr0 |= 0x80000000n
  }
  cpu.engine.setState(state)
}
