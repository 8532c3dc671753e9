/**
 * What the host's answer cannot say about the soft engine: which instructions are kept from it, and which differences
 * count for nothing, each with its reason.
 */
import { type Encoding, encoding, type Mode } from '../encoding.js'
import { hostVendor } from '../vendors.js'
import { AC, type FaultCase, type Outcome } from './host-faults.js'

type Test = (e: Encoding, mode: Mode) => boolean

const field = (e: Encoding): number => (e.modrm >> 3) & 7
const isRegister = (e: Encoding): boolean => e.modrm >= 0xc0
/** A legacy opcode of a map. */
const legacy =
  (map: number, ...opcodes: number[]): Test =>
  (e) =>
    !e.vex && e.map === map && opcodes.includes(e.opcode)
const vex =
  (map: number, ...opcodes: number[]): Test =>
  (e) =>
    e.vex && e.map === map && opcodes.includes(e.opcode)
const any =
  (...tests: Test[]): Test =>
  (e, mode) =>
    tests.some((test) => test(e, mode))
const also =
  (test: Test, more: Test): Test =>
  (e, mode) =>
    test(e, mode) && more(e, mode)
const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i)

/** Not run at all. */
const KEPT: readonly [string, Test][] = [
  ['system calls', any(legacy(0, 0xcd), legacy(1, 0x05, 0x34))],
  [
    'loads of segment registers and far branches: the descriptors are Linux’s',
    any(
      legacy(0, 0x8e, 0x07, 0x17, 0x1f, 0x9a, 0xea, 0xca, 0xcb, 0xcf),
      also(legacy(0, 0xc4, 0xc5), (_e, mode) => mode !== 64),
      also(legacy(0, 0xff), (e) => field(e) === 3 || field(e) === 5),
      legacy(1, 0x02, 0x03, 0xb2, 0xb4, 0xb5, 0xa1, 0xa9),
    ),
  ],
  [
    'what Linux emulates (UMIP), and what depends on the host: VMCALL, time, CPUID, random numbers',
    any(
      legacy(1, 0x01, 0x31, 0x33, 0xa2),
      also(legacy(1, 0x00), (e) => field(e) !== 2 && field(e) !== 3),
      also(legacy(1, 0xc7), (e) => isRegister(e) && field(e) >= 6),
    ),
  ],
  [
    'XSAVE and its kin (their area is as large as the host’s state), FSGSBASE, WAITPKG',
    any(
      also(legacy(1, 0xae), (e) => isRegister(e) || (field(e) >= 4 && field(e) <= 6)),
      also(legacy(1, 0xc7), (e) => !isRegister(e) && field(e) >= 3 && field(e) <= 5),
    ),
  ],
  ['transactions', also(legacy(0, 0xc6, 0xc7), (e) => e.modrm === 0xf8)],
  [
    'extensions that the soft CPU has not: EVEX, REX2, XOP, masks, AMX, GFNI, VNNI and later ones',
    any(
      also(legacy(0, 0x62), (e, mode) => mode === 64 || isRegister(e)),
      also(legacy(0, 0xd5), (_e, mode) => mode === 64),
      also(legacy(0, 0x8f), (e) => (e.modrm & 0x1f) >= 8),
      legacy(2, 0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xcf),
      also(legacy(2, ...range(0xd8, 0xdf)), (e) => e.repeat !== 0),
      legacy(3, 0xce, 0xcf, 0xf0),
      vex(1, ...range(0x41, 0x4b), ...range(0x90, 0x93), 0x98, 0x99),
      vex(2, 0x49, 0x4b, ...range(0x50, 0x53), 0x5c, 0x5e, 0x6c, 0x6d, 0x72, 0xb0, 0xb1, 0xb4, 0xb5),
      vex(2, 0xcb, 0xcc, 0xcd, 0xcf, 0xd2, 0xd3, 0xda, ...range(0xe0, 0xef)),
      vex(3, ...range(0x30, 0x33), 0x48, 0x49, ...range(0x5c, 0x5f), ...range(0x68, 0x6f), ...range(0x78, 0x7f)),
      vex(3, 0xce, 0xcf, 0xde, 0xf0),
    ),
  ],
  [
    'approximations, and the last bits of transcendental functions',
    any(
      legacy(1, 0x52, 0x53),
      vex(1, 0x52, 0x53),
      also(legacy(0, 0xd9), (e) => isRegister(e) && e.modrm >= 0xf0),
    ),
  ],
]

/** The reason why an instruction is not given to the host, or undefined. */
export function whyKept(code: Uint8Array, mode: Mode): string | undefined {
  const e = encoding(code, mode)
  if (!e) return 'longer than 15 bytes'
  return KEPT.find(([, test]) => test(e, mode))?.[0]
}

type Difference = (e: Encoding, c: FaultCase, host: Outcome, soft: Outcome, found: readonly string[]) => boolean

const DB = 1
const BP = 3
const UD = 6
const SS = 12
const GP = 13
const PF = 14
const ALIGNMENT = 17
const XM = 19
const faults = (o: Outcome): boolean => [SS, GP, PF, ALIGNMENT, XM].includes(o.trap)
const only = (found: readonly string[], what: RegExp): boolean => found.every((line) => what.test(line))

/**
 * Differences that are the vendors', or that the manuals leave open: what an instruction that faults has written before is
 * not told where it can be restarted (Intel SDM vol. 3, 6.5 and 6.6), nor in which order it touches several operands.
 */
const OPEN: readonly [string, Difference][] = [
  [
    '#AC of MMX, SSE and AVX operands: AMD checks all, Intel those of up to 8 bytes and some more',
    (e, c, h, s) => (c.rflags & AC) !== 0 && (h.trap === ALIGNMENT) !== (s.trap === ALIGNMENT) && (e.vex || e.map > 0),
  ],
  [
    'x87 environments and states, FBSTP: which part of the operand is touched first (open; only CR2 and error codes tell)',
    (e, c, h, s) =>
      !e.vex &&
      e.map === 0 &&
      !isRegister(e) &&
      ((e.opcode === 0xd9 && (field(e) === 4 || field(e) === 6)) ||
        (e.opcode === 0xdd && (field(e) === 4 || field(e) === 6)) ||
        // FBSTP and FSTP of 80 bits, with alignment checking.
        ((e.opcode === 0xdf || e.opcode === 0xdb) && field(e) >= 6 && (c.rflags & AC) !== 0)) &&
      (faults(h) || faults(s)),
  ],
  [
    'CMPS with both operands absent: which one is read first (the SDM’s pseudo-code reads them in one step)',
    (e, _c, h, s) => legacy(0, 0xa6, 0xa7)(e, 64) && faults(h) && faults(s),
  ],
  [
    'MMX instructions that fault: Intel has switched the x87 state to MMX already (restartable); MASKMOVQ’s CR2',
    (e, _c, h, s, found) =>
      legacy(1, 0x2a, 0x2c, 0x2d, 0x7e, 0x7f, 0xe7, 0xf7)(e, 64) &&
      faults(h) &&
      s.trap === h.trap &&
      only(found, e.opcode === 0xf7 ? /^(fsw|ftw|st\d|cr2)/ : /^(fsw|ftw|st\d)/),
  ],
  [
    'REP string instructions with 67h in 64-bit code that fault: Intel has zero-extended RCX, RSI and RDI',
    (e, _c, h, s, found) =>
      legacy(0, 0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf)(e, 64) &&
      e.addressSize &&
      faults(h) &&
      s.trap === h.trap &&
      only(found, /^(rcx|rsi|rdi)/),
  ],
  [
    'POPA that faults: Intel has loaded some registers (restartable)',
    (e, c, h, s, found) =>
      c.mode !== 64 && legacy(0, 0x61)(e, 32) && faults(h) && s.trap === h.trap && only(found, /^r../),
  ],
  [
    'gathers that fault half-way: Intel has cleared the upper halves already (restartable)',
    (e, _c, h, s, found) =>
      vex(2, 0x90, 0x91, 0x92, 0x93)(e, 64) && faults(h) && s.trap === h.trap && only(found, /^ymm/),
  ],
  [
    'operands of 16 and 32 bytes that are neither aligned nor canonical: #GP or #SS, both apply; VCVTPS2PH: #XM or the store’s fault, likewise',
    (e, _c, h, s) =>
      (e.vex || e.map > 0) &&
      ((h.trap === GP && (s.trap === SS || (s.trap === PF && e.long))) ||
        (vex(3, 0x1d)(e, 64) && faults(h) && faults(s))),
  ],
  [
    'C1 after FCOMI and FUCOMI: the SDM sets it to 0, Intel’s CPUs leave it',
    (e, _c, h, s, found) =>
      legacy(0, 0xdb, 0xdf)(e, 64) &&
      isRegister(e) &&
      (field(e) === 5 || field(e) === 6) &&
      only(found, /^fsw/) &&
      ((view16(h.fxsave) ^ view16(s.fxsave)) & ~0x200) === 0,
  ],
  [
    'MASKMOVQ and MASKMOVDQU whose mask is zero: the SDM leaves open whether they fault',
    (e, _c, h, s) => any(legacy(1, 0xf7), vex(1, 0xf7))(e, 64) && h.trap === PF && (s.trap === DB || s.trap === BP),
  ],
  [
    'misaligned operands across the end of the canonical addresses: #AC or #GP',
    (_e, c, h, s) => (c.rflags & AC) !== 0 && h.trap === ALIGNMENT && (s.trap === GP || s.trap === SS),
  ],
  [
    'accesses around 4 GiB in flat 32-bit code: the limit’s fault or the page’s (SDM vol. 3, 5.3 leaves it open)',
    (_e, c, h, s) => c.mode !== 64 && h.trap === PF && h.cr2 >= 0xffffffc0n && (s.trap === SS || s.trap === GP),
  ],
  [
    'INVPCID, VAES and VPCLMULQDQ of 32 bytes: the host’s CPU may not have them',
    (e, _c, h) =>
      h.trap === UD &&
      (also(legacy(2, 0x82), (x) => x.operandSize)(e, 64) ||
        (e.long && any(vex(2, ...range(0xdc, 0xdf)), vex(3, 0x44))(e, 64))),
  ],
  [
    'FSTP and FBSTP of 80 bits over a page’s end: Intel has written the lower part already',
    (e, _c, h, s, found) =>
      legacy(0, 0xdb, 0xdf)(e, 64) && field(e) >= 6 && h.trap === PF && s.trap === PF && only(found, /^\[/),
  ],
]

/** Of SHLD or SHRD with a register; with a memory operand the immediate's place is not known here, and any will do. */
function shiftCount(e: Encoding, c: FaultCase): number {
  if (e.opcode & 1) return Number(c.gpr[1] & 31n)
  return isRegister(e) ? c.code[e.length + 1] & 31 : 31
}

/** What AMD's CPUs do otherwise, of which the soft CPU does as the SDM says; on their hosts it does not count. */
const AMD: readonly [string, Difference][] = [
  [
    'near branches with 66h in 64-bit code: AMD has 16-bit operands, Intel ignores the prefix',
    (e, c) =>
      c.mode === 64 &&
      e.operandSize &&
      any(
        legacy(0, ...range(0x70, 0x7f), ...range(0xe0, 0xe3), 0xe8, 0xe9, 0xeb, 0xc2, 0xc3),
        legacy(1, ...range(0x80, 0x8f)),
        also(legacy(0, 0xff), (x) => field(x) === 2 || field(x) === 4),
      )(e, 64),
  ],
  [
    'LOOPE and LOOPNE with F2h or F3h: AMD takes the prefix for the condition',
    (e) => e.repeat !== 0 && legacy(0, 0xe0, 0xe1)(e, 64),
  ],
  [
    'SYSEXIT in long mode: #UD on AMD, #GP in ring 3 on Intel',
    (e, _c, h, s) => legacy(1, 0x35)(e, 64) && h.trap === UD && s.trap === GP,
  ],
  [
    'LOCK with MOV to and from CR0: AMD has CR8 there (APM vol. 3, AltMovCr8), so #GP in ring 3; #UD by the SDM',
    (e, _c, h, s) => e.lock && legacy(1, 0x20, 0x22)(e, 64) && h.trap === GP && s.trap === UD,
  ],
  [
    '0F 0D with a register: #UD on AMD, a NOP on Intel',
    (e, _c, h) => legacy(1, 0x0d)(e, 64) && isRegister(e) && h.trap === UD,
  ],
  [
    'SSE4A: MOVNTSS, MOVNTSD, EXTRQ, INSERTQ are AMD’s alone',
    (e, _c, _h, s) =>
      s.trap === UD &&
      (also(legacy(1, 0x2b), (x) => x.repeat !== 0)(e, 64) ||
        also(legacy(1, 0x78, 0x79), (x) => x.repeat === 0xf2 || x.operandSize)(e, 64)),
  ],
  [
    'SHA instructions with a misaligned operand: #GP on Intel (SDM vol. 2, type 4), read on AMD',
    (e, _c, h, s) =>
      any(legacy(2, ...range(0xc8, 0xcd)), legacy(3, 0xcc))(e, 64) && !isRegister(e) && s.trap === GP && h.trap !== GP,
  ],
  [
    'x87 stores that an unmasked exception keeps from storing: AMD has looked at the operand’s page and alignment before',
    (e, _c, h, s) =>
      legacy(0, 0xd9, 0xdb, 0xdd, 0xdf)(e, 64) &&
      !isRegister(e) &&
      faults(h) &&
      (s.trap === DB || s.trap === BP) &&
      (s.fxsave[2] & 0x80) !== 0,
  ],
  [
    'REP CMPS and SCAS under TF, between two iterations: AMD has the flags of the last one, the SDM those from before',
    (e, _c, h, s, found) =>
      legacy(0, 0xa6, 0xa7, 0xae, 0xaf)(e, 64) &&
      e.repeat !== 0 &&
      h.trap === s.trap &&
      (h.trap === DB ? h.rip === 0 : faults(h)) &&
      only(found, /^flags/),
  ],
  [
    'gathers that fault half-way, or are stepped through: AMD does other elements first, and traps between them (restartable)',
    (e, _c, h, s) => vex(2, 0x90, 0x91, 0x92, 0x93)(e, 64) && faults(s) && (h.trap === s.trap || h.trap === DB),
  ],
  [
    'SHLD and SHRD of 16 bits by more than 16: undefined',
    (e, c, h, s, found) =>
      (c.mode === 16) !== e.operandSize &&
      legacy(1, 0xa4, 0xa5, 0xac, 0xad)(e, 64) &&
      shiftCount(e, c) > 16 &&
      h.trap === s.trap &&
      only(found, /^(r|\[|flags)/),
  ],
  [
    'CALL to an address that is not canonical, or beyond the limit: Intel has written the return address (restartable)',
    (e, _c, h, s, found) =>
      any(
        legacy(0, 0xe8),
        also(legacy(0, 0xff), (x) => field(x) === 2),
      )(e, 64) &&
      h.trap === GP &&
      s.trap === GP &&
      only(found, /^\[/),
  ],
  [
    'PUSH of a segment register by 4 bytes: Intel writes two of them, AMD zeros the others (the SDM has both)',
    (e, c, h, s, found) =>
      any(legacy(0, 0x06, 0x0e, 0x16, 0x1e), legacy(1, 0xa0, 0xa8))(e, 64) &&
      (c.mode === 32) !== e.operandSize &&
      h.trap === s.trap &&
      only(found, /^\[\w+\]: host 0, /),
  ],
  [
    'SYSRET outside of 64-bit code: #UD on Intel, #GP in ring 3 on AMD',
    (e, c, h, s) => c.mode !== 64 && legacy(1, 0x07)(e, 64) && h.trap === GP && s.trap === UD,
  ],
  [
    'FXSAVE: AMD has bit 17 in MXCSR_MASK, and looks at the last byte first',
    (e, _c, h, s, found) =>
      legacy(1, 0xae)(e, 64) && field(e) === 0 && h.trap === s.trap && only(found, /^(\[.*host 2, soft 0$|cr2)/),
  ],
  [
    'VPERMQ and VPERMPD without VEX.W: #UD on Intel, AMD ignores it',
    (e, _c, _h, s) => vex(3, 0x00, 0x01)(e, 64) && !e.wide && s.trap === UD,
  ],
  [
    'operands across the end of the canonical addresses: the absent page before it, or #GP and #SS',
    (_e, _c, h, s) => h.trap === PF && h.cr2 >> 7n === 0x7fffffffff80n >> 7n && (s.trap === GP || s.trap === SS),
  ],
  [
    'VMASKMOVDQU’s CR2: the operand’s first byte or the first that its mask has',
    (e, _c, h, s, found) => vex(1, 0xf7)(e, 64) && h.trap === PF && s.trap === PF && only(found, /^cr2/),
  ],
]

function view16(fxsave: Uint8Array): number {
  return fxsave[2] | (fxsave[3] << 8)
}

/** The reason why a difference counts for nothing, or undefined. */
export function whyOpen(c: FaultCase, host: Outcome, soft: Outcome, found: readonly string[]): string | undefined {
  const e = encoding(c.code, c.mode)
  const rows = hostVendor() === 'AMD' ? [...OPEN, ...AMD] : OPEN
  return e && rows.find(([, test]) => test(e, c, host, soft, found))?.[0]
}
