/** Runs one instruction on two targets and says how they differ. */
import { type CpuSnapshot, type CpuTarget, newSnapshot } from './native-cpu.js'
import { asHostVendor } from './vendors.js'

const RSI = 6
const RDI = 7
/** CF PF AF ZF SF OF. */
const ARITHMETIC_FLAGS = 0x8d5

export interface CompareOptions {
  /** Units in the last place by which stack registers may differ (transcendental functions). */
  ulps?: number
  /** Bits of the status word that count. */
  statusMask?: number
  /** Arithmetic flags that count. */
  flagMask?: number
  /** Ranges of the data that do not count: [first, end]. */
  ignoreData?: [number, number][]
}

/** Sign-magnitude order of an extended float, so that neighbours differ by 1. */
function rank(fx: DataView, i: number): bigint {
  const se = fx.getUint16(40 + i * 16, true)
  const magnitude = (BigInt(se & 0x7fff) << 63n) + (fx.getBigUint64(32 + i * 16, true) & 0x7fffffffffffffffn)
  return se >> 15 ? -magnitude : magnitude
}

const hex = (n: number | bigint, digits: number): string => n.toString(16).padStart(digits, '0')

export function describeFpu(s: CpuSnapshot, registers = 8): string {
  const fx = new DataView(s.fxsave.buffer, s.fxsave.byteOffset, 512)
  const lines = [
    `cw=${hex(fx.getUint16(0, true), 4)} sw=${hex(fx.getUint16(2, true), 4)} tags=${hex(fx.getUint8(4), 2)}`,
  ]
  for (let i = 0; i < registers; i++)
    lines.push(`st${i}=${hex(fx.getUint16(40 + i * 16, true), 4)}:${hex(fx.getBigUint64(32 + i * 16, true), 16)}`)
  return lines.join(' ')
}

/** Differences of `actual` from `expected`, a line each. */
export function differences(
  expected: CpuSnapshot,
  actual: CpuSnapshot,
  expectedData: bigint,
  actualData: bigint,
  options: CompareOptions = {},
): string[] {
  const found: string[] = []
  const e = new DataView(expected.fxsave.buffer, expected.fxsave.byteOffset, 512)
  const a = new DataView(actual.fxsave.buffer, actual.fxsave.byteOffset, 512)
  const differ = (what: string, x: number | bigint, y: number | bigint, digits: number): void => {
    if (x !== y) found.push(`${what}: native ${hex(x, digits)}, soft ${hex(y, digits)}`)
  }
  if (actual.exception !== undefined) return [`exception ${actual.exception}`]
  const flagMask = options.flagMask ?? ARITHMETIC_FLAGS
  differ('flags', expected.rflags & flagMask, actual.rflags & flagMask, 4)
  for (let i = 0; i < 16; i++) {
    const pointer = i === RSI || i === RDI
    const x = BigInt.asUintN(64, expected.gpr[i] - (pointer ? expectedData : 0n))
    const y = BigInt.asUintN(64, actual.gpr[i] - (pointer ? actualData : 0n))
    differ(`gpr${i}`, x, y, 16)
  }
  differ('cw', e.getUint16(0, true), a.getUint16(0, true), 4)
  const statusMask = options.statusMask ?? 0xffff
  differ('sw', e.getUint16(2, true) & statusMask, a.getUint16(2, true) & statusMask, 4)
  differ('tags', e.getUint8(4), a.getUint8(4), 2)
  differ('mxcsr', e.getUint32(24, true), a.getUint32(24, true), 8)
  for (let i = 0; i < 8; i++) {
    const x = `${hex(e.getUint16(40 + i * 16, true), 4)}:${hex(e.getBigUint64(32 + i * 16, true), 16)}`
    const y = `${hex(a.getUint16(40 + i * 16, true), 4)}:${hex(a.getBigUint64(32 + i * 16, true), 16)}`
    if (x === y) continue
    if (options.ulps) {
      const apart = rank(e, i) - rank(a, i)
      if (apart <= BigInt(options.ulps) && apart >= -BigInt(options.ulps)) continue
    }
    found.push(`st${i}: native ${x}, soft ${y}`)
  }
  for (let i = 0; i < 32; i++)
    differ(`xmm${i >> 1}.${i & 1}`, e.getBigUint64(160 + i * 8, true), a.getBigUint64(160 + i * 8, true), 16)
  if (Buffer.compare(expected.ymmHigh, actual.ymmHigh) !== 0) {
    const [x, y] = [expected, actual].map((s) => new DataView(s.ymmHigh.buffer, s.ymmHigh.byteOffset, 256))
    for (let i = 0; i < 32; i++)
      differ(`ymm${i >> 1}.${2 + (i & 1)}`, x.getBigUint64(i * 8, true), y.getBigUint64(i * 8, true), 16)
  }
  for (let i = 0; i < expected.data.length; i++) {
    if (expected.data[i] !== actual.data[i] && !options.ignoreData?.some(([from, to]) => i >= from && i < to)) {
      differ(`data[${i}]`, expected.data[i], actual.data[i], 2)
      break
    }
  }
  return found
}

/** Two targets side by side. */
export class Comparison {
  private readonly expected = newSnapshot()
  private readonly actual = newSnapshot()

  constructor(
    readonly native: CpuTarget,
    readonly soft: CpuTarget,
  ) {}

  /** Runs `code` on both; RSI and RDI point at the data. */
  run(code: Uint8Array, input: CpuSnapshot, options?: CompareOptions): string[] {
    const offset = input.gpr[RDI]
    input.gpr[RSI] = this.native.dataAddress
    input.gpr[RDI] = this.native.dataAddress + offset
    this.native.run(code, input, this.expected)
    input.gpr[RSI] = this.soft.dataAddress
    input.gpr[RDI] = this.soft.dataAddress + offset
    this.soft.run(code, input, this.actual)
    input.gpr[RDI] = offset
    asHostVendor(code, 64, input, this.actual, this.expected)
    return differences(this.expected, this.actual, this.native.dataAddress, this.soft.dataAddress, options)
  }
}
