/**
 * Every VEX row of the opcode table as 64-bit machine code: AVX, AVX2, F16C and FMA3. The first operand is register 1, that
 * of VEX.vvvv 3, the one in ModRM.rm 2 or [rsi + 3]; with a prefix of three bytes, 9, 11 and 10.
 */
import { rows as avxRows } from '../../../machine/cpu/soft/opcodes/avx.js'
import { rows as fmaRows } from '../../../machine/cpu/soft/opcodes/fma.js'
import type { Row } from '../../../machine/cpu/soft/opcodes/row.js'
import type { Instruction } from './instructions.js'

/** Approximations that each maker has of its own; LDMXCSR refuses what is random. */
const NOT_COMPARABLE = /reciprocal|ldmxcsr/

const PREFIXES = ['np', '66', 'f3', 'f2']
const MAPS = ['0f', '0f38', '0f3a']

interface Place {
  map: number
  prefix: number
  opcode: number
  /** VEX.L and VEX.W; undefined is any. */
  l?: number
  w?: number
  /** ModRM.reg where it belongs to the opcode. */
  digit?: number
  mod?: 'reg' | 'mem'
}

function placeOf(where: string): Place {
  const words = where.split(' ')
  const l = { vex: undefined, 'vex.128': 0, 'vex.256': 1 }[words[0]]
  const place: Place = {
    l,
    prefix: PREFIXES.indexOf(words[1]),
    map: MAPS.indexOf(words[2]) + 1,
    opcode: Number.parseInt(words[3], 16),
  }
  for (const word of words.slice(4)) {
    if (word === 'w0' || word === 'w1') place.w = Number(word[1])
    else if (word[0] === '/') place.digit = Number(word[1])
    else place.mod = word as 'reg' | 'mem'
  }
  return place
}

/** What the lanes are to hold, told from the handler's name. */
function operandOf(call: string): Instruction['operand'] {
  if (call.startsWith('fma')) return call.includes('u64') ? 'product64' : 'product32'
  if (call.startsWith('gather')) return call.includes('i64') ? 'index64' : 'index32'
  if (call.includes('vcvtph2ps')) return 'half'
  if (/shift|PSLLV|PSRLV|PSRAV/.test(call)) return 'counts'
  if (/packed_V_W|immediate_V_W|mov|broadcast|vperm|vblend|masked|widen|pins|pext/.test(call)) return 'integer'
  if (/pd\(|sd\(|_pd|_sd|cmpsd|cvtpd|cvtsd|comisd/.test(call)) return 'double'
  if (/ps\(|ss\(|_ps|_ss|cvtps|cvtss|comiss|cvtps2ph/.test(call)) return 'single'
  return 'integer'
}

function immediatesOf(call: string): number[] {
  if (call.includes('cmp') && !call.includes('pcmp'))
    return Array.from({ length: 32 }, (_, i) => i | (i & 1 ? 0xe0 : 0))
  if (call.includes('pcmpstr')) return [0x00, 0x0d, 0x18, 0x3a, 0x45, 0x4c, 0x72, 0x7b]
  if (call.includes('shift') || call.includes('dq(')) return [0, 1, 5, 8, 15, 16, 17, 31, 32, 63, 64, 200]
  if (call.includes('round')) return [0, 1, 2, 3, 4, 8, 12]
  if (call.includes('vcvtps2ph')) return [0, 1, 2, 3, 4, 7]
  return [0x00, 0xff, 0x1b, 0xe4, 0x4e, 0x93, 0x31, 0x08, 0x80, 0x5a]
}

interface Encoding {
  place: Place
  l: number
  w: number
  /** Registers 8 to 15, and the prefix C4. */
  high: boolean
  memory: boolean
  /** Which of the operands are in ModRM.reg, VEX.vvvv and ModRM.rm. */
  letters: string[]
  displacement: number
  scale: number
}

function encode(e: Encoding): number[] {
  const { place, high } = e
  const has = (letters: string): boolean => e.letters.some((letter) => letters.includes(letter))
  const reg = place.digit ?? (has('VG') ? 1 : 0)
  const vvvv = has('H') ? (place.digit === undefined ? 3 : 1) + (high ? 8 : 0) : 0
  const index = has('X')
  const short = place.map === 1 && !high && !index && !e.w
  const last = ((vvvv ^ 15) << 3) | (e.l << 2) | place.prefix
  const rBit = high && place.digit === undefined && has('VG') ? 0 : 0x80
  const xBit = high && index ? 0 : 0x40
  const bBit = high && !e.memory ? 0 : 0x20
  const bytes = short ? [0xc5, rBit | last] : [0xc4, rBit | xBit | bBit | place.map, (e.w << 7) | last]
  bytes.push(place.opcode)
  if (e.letters.length === 0) return bytes
  if (index) bytes.push(0x84 | (reg << 3), (e.scale << 6) | (2 << 3) | 6, 0x00, 0x02, 0, 0)
  else if (e.memory) bytes.push(0x46 | (reg << 3), e.displacement)
  else bytes.push(0xc2 | (reg << 3))
  return bytes
}

function instructionsOf([where, operands, call, flags]: Row): Instruction[] {
  const place = placeOf(where)
  const forms = operands.split(',').filter((form) => form && form !== 'Ib')
  const letters = forms.map((form) => form[0])
  const modes: boolean[] = []
  if (place.mod !== 'mem' && !letters.some((letter) => 'MX'.includes(letter))) modes.push(false)
  if (place.mod !== 'reg' && letters.some((letter) => 'WEMX'.includes(letter))) modes.push(true)
  const aligned = /, true\)/.test(call) && call.startsWith('vmov_')
  const wide = forms.some((form) => form.endsWith('y'))
  const general = letters.some((letter) => 'EG'.includes(letter))
  const found: Instruction[] = []
  for (const l of place.l === undefined ? [0, 1] : [place.l])
    for (const memory of modes.length ? modes : [false])
      for (const [n, immediate] of (operands.includes('Ib') ? immediatesOf(call) : [undefined, undefined]).entries()) {
        const high = n % 2 === 1
        for (const w of place.w !== undefined ? [place.w] : wide ? [0, 1] : [high && !general ? 1 : 0]) {
          const bytes = encode({
            place,
            l,
            w,
            high,
            memory,
            letters,
            displacement: aligned ? 32 : 3,
            scale: (n + l + w + place.opcode) & 3,
          })
          found.push({
            name: `${where} ${operands} l${l} w${w} ${memory ? 'mem' : 'reg'}${high ? ' high' : ''}${immediate === undefined ? '' : ` ${immediate}`} (${flags?.replace('if=', '')})`,
            code: Uint8Array.from(immediate === undefined ? bytes : [...bytes, immediate]),
            operand: operandOf(call),
          })
        }
      }
  return found
}

/** Instructions by the feature that has them. */
export const avxInstructions: ReadonlyMap<string, Instruction[]> = groups()

function groups(): Map<string, Instruction[]> {
  const byFeature = new Map<string, Instruction[]>()
  for (const row of [...avxRows, ...fmaRows]) {
    if (NOT_COMPARABLE.test(row[2])) continue
    const feature = row[3]?.replace('if=', '') ?? ''
    byFeature.set(feature, [...(byFeature.get(feature) ?? []), ...instructionsOf(row)])
  }
  return byFeature
}
