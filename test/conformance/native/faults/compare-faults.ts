/** How two outcomes of a piece of code that may fault differ. */
import { DATA, ENDLESS, type FaultCase, type Outcome, PAGE } from './host-faults.js'

const DB = 1
const PF = 14
/** CF PF AF ZF SF OF, of which instructions leave some undefined. */
const ARITHMETIC = 0x8d5
/** TF DF IOPL NT AC ID. RF is the handler's business: Linux and the CPU set it for faults. */
const CONTROL = 0x247500
const RESERVED_OR_FETCH = 0x1f
/** Linux hides from its programs whether anything is present from here on. */
const USER_END = 0x7ffffffff000n

const NAMES = 'rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15'.split(' ')

/** A line for each difference of `soft` from `host`. */
export function faultDifferences(c: FaultCase, host: Outcome, soft: Outcome): string[] {
  const found: string[] = []
  const differ = (what: string, x: number | bigint, y: number | bigint): void => {
    if (x !== y) found.push(`${what}: host ${x.toString(16)}, soft ${y.toString(16)}`)
  }
  differ('trap', BigInt(host.trap), BigInt(soft.trap))
  if (found.length > 0 || host.trap === ENDLESS) return found
  differ('rip', host.rip, soft.rip)
  if (host.trap === PF) {
    differ('cr2', host.cr2, soft.cr2)
    // What SoftCpu has mapped for itself below 2 MiB is present there.
    const own = soft.cr2 < 0x200000n ? 1 : 0
    if (host.cr2 < USER_END)
      differ('error code', host.error & RESERVED_OR_FETCH & ~own, soft.error & RESERVED_OR_FETCH & ~own)
  } else if (host.trap !== DB) differ('error code', host.error, soft.error)
  // A fault leaves all flags as they were; what ended has some undefined.
  const fault = host.rip === 0
  differ(
    'flags',
    host.rflags & (CONTROL | (fault ? ARITHMETIC : 0)),
    soft.rflags & (CONTROL | (fault ? ARITHMETIC : 0)),
  )
  const [registers, mask] = c.mode === 64 ? [16, 0xffffffffffffffffn] : [8, 0xffffffffn]
  for (let i = 0; i < registers; i++) differ(NAMES[i], host.gpr[i] & mask, soft.gpr[i] & mask)
  const [h, s] = [view(host.fxsave), view(soft.fxsave)]
  differ('fcw', h.getUint16(0, true), s.getUint16(0, true))
  differ('fsw', h.getUint16(2, true), s.getUint16(2, true))
  differ('ftw', h.getUint8(4), s.getUint8(4))
  differ('mxcsr', h.getUint32(24, true), s.getUint32(24, true))
  for (let i = 0; i < 8; i++) {
    differ(`st${i}`, h.getBigUint64(32 + i * 16, true), s.getBigUint64(32 + i * 16, true))
    differ(`st${i} exponent`, h.getUint16(40 + i * 16, true), s.getUint16(40 + i * 16, true))
  }
  const [hy, sy] = [view(host.ymmHigh), view(soft.ymmHigh)]
  for (let i = 0; i < registers * 2; i++) {
    differ(`xmm${i >> 1}.${i & 1}`, h.getBigUint64(160 + i * 8, true), s.getBigUint64(160 + i * 8, true))
    differ(`ymm${i >> 1}.${2 + (i & 1)}`, hy.getBigUint64(i * 8, true), sy.getBigUint64(i * 8, true))
  }
  if (Buffer.compare(host.data, soft.data) !== 0)
    for (let i = 0; i < PAGE; i++)
      if (host.data[i] !== soft.data[i]) {
        differ(`[${(DATA + i).toString(16)}]`, host.data[i], soft.data[i])
        break
      }
  return found
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}

/** A case as a person can read and repeat it. */
export function describeCase(c: FaultCase): string {
  const code = Buffer.from(c.code).toString('hex').replace(/../g, '$& ').trim()
  const registers = Array.from(c.gpr, (value, i) => `${NAMES[i]}=${value.toString(16)}`)
  return `${c.mode}-bit ${code} | ${registers.slice(0, c.mode === 64 ? 16 : 8).join(' ')} flags=${c.rflags.toString(16)}`
}
