/** What gdb's script of v86's nasm tests writes: a list of numbers between two marks, and the signal before them. */

export interface Fixture {
  exception?: 'DE' | 'UD' | 'GP' | 'PF'
  /** EAX ECX EDX EBX ESP EBP ESI EDI, unsigned. */
  registers: number[]
  eip: number
  /** ST0 to ST7; undefined where the register is special (gdb shows none). */
  x87: (number | undefined)[]
  /** MM0 to MM7, two dwords each. */
  mmx: number[]
  /** XMM0 to XMM7, four dwords each. */
  xmm: number[]
  /** 8 KiB of dwords. */
  memory: number[]
  eflags: number
  status: number
  /** The tag word says so: MMX code was the last to use the registers. */
  usesMmx: boolean
}

const SIGNALS = { SIGFPE: 'DE', SIGILL: 'UD', SIGSEGV: 'GP', SIGBUS: 'PF' } as const
const ALL_SPECIAL = 0xaaaa
const MEMORY_DWORDS = 2048

/** Throws an Error where the text is no fixture. */
export function readFixture(text: string): Fixture {
  const body = /---BEGIN JSON---([\s\S]*?)---END JSON---/.exec(text)?.[1]
  if (body === undefined) throw new Error('a fixture has no list of numbers; gen_fixtures.js was cut short')
  const words = body.replace(/[[\]\s]/g, '').split(',')
  const numbers = words.map((word) => {
    if (word === '"invalid"') return undefined
    const bare = word.replace(/^"|"$/g, '')
    if (/^-?inf$/.test(bare)) return bare[0] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
    return /nan/.test(bare) ? Number.NaN : Number(bare)
  })
  let at = 0
  const take = (count: number) => {
    at += count
    return numbers.slice(at - count, at)
  }
  const dwords = (count: number) => take(count).map((value) => Number(value) >>> 0)
  const registers = dwords(8)
  const [eip] = dwords(1)
  const x87 = take(8)
  const mmx = dwords(16)
  const xmm = dwords(32)
  const memory = dwords(MEMORY_DWORDS)
  const [eflags, tags, status] = dwords(3)
  const signal = Object.entries(SIGNALS).find(([name]) => text.includes(`(signal ${name})`))
  return {
    exception: signal?.[1],
    registers,
    eip,
    x87,
    mmx,
    xmm,
    memory,
    eflags,
    status,
    usesMmx: tags === ALL_SPECIAL,
  }
}
