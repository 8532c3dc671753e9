import { beforeEach, describe, expect, test } from 'vitest'
import type { Breakpoint } from '../../../../machine/cpu/engine.js'
import type { DebugTarget } from '../../../../machine/debug/debug-target.js'
import { packet } from '../../../../machine/debug/gdb/packets.js'
import { GdbSession } from '../../../../machine/debug/gdb/session.js'
import { descriptionFor, registersOf } from '../../../../machine/debug/gdb/target-description.js'
import { Random } from '../../../random.js'
import { BareCpu } from '../../cpu/driver.js'

const CPU = new BareCpu(1 << 20)

let answers: string[] = []
let breakpoints: readonly Breakpoint[] = []
let session: GdbSession

/** Two CPUs of the same state over the bare CPU's RAM. */
const target: DebugTarget = {
  cpus: 2,
  long: true,
  current: 0,
  state: () => CPU.state,
  setState: (_cpu, state) => CPU.engine.setState(state),
  read: (_cpu, linear, length) => {
    const from = Math.min(Number(linear), CPU.ram.length)
    return CPU.ram.slice(from, from + length)
  },
  write: (_cpu, linear, bytes) => {
    if (linear + BigInt(bytes.length) > BigInt(CPU.ram.length)) return 0
    CPU.ram.set(bytes, Number(linear))
    return bytes.length
  },
  setBreakpoints: (all) => {
    breakpoints = all
  },
  refusal: ({ kind }) => (kind === 'read' ? 'not for reads alone' : undefined),
}

function ask(text: string): string {
  answers = []
  session.receive(packet(text))
  return answers.join('')
}

/** The data of what was answered, behind its acknowledgement. */
const answerTo = (text: string) => /^\+?\$(.*)#..$/s.exec(ask(text))?.[1]

beforeEach(() => {
  CPU.boot(Uint8Array.of(0x90, 0xf4))
  breakpoints = []
  session = new GdbSession(
    target,
    (bytes) => answers.push(Buffer.from(bytes).toString('latin1')),
    (line, cpu) => `${line} on ${cpu}\n`,
  )
  session.stopped({ why: 'interrupt', cpu: 0 })
})

test('all addresses are memory in the map, and may be watched as the machine can', () => {
  expect(answerTo('qSupported')).toContain('qXfer:memory-map:read+')
  const map = answerTo('qXfer:memory-map:read::0,fff') ?? ''
  expect(map).toMatch(/^l<\?xml/)
  expect(map.match(/<memory [^>]*>/g)).toEqual([
    '<memory type="ram" start="0x0" length="0x8000000000000000"/>',
    '<memory type="ram" start="0x8000000000000000" length="0x8000000000000000"/>',
  ])
  expect(answerTo('qXfer:memory-map:read:x:0,fff')).toBe('')
  expect(answerTo('Z3,1000,4')).toBe('E.not for reads alone')
  expect(breakpoints).toEqual([])
  expect(answerTo('Z2,1000,4')).toBe('OK')
})

test('says what it can, in pieces, and stops acknowledging when it is asked to', () => {
  expect(answerTo('qSupported:multiprocess+;xmlRegisters=i386')).toMatch(/PacketSize=4000;qXfer:features:read\+/)
  let xml = ''
  for (let piece = 'm'; piece.startsWith('m'); xml += piece.slice(1))
    piece = answerTo(`qXfer:features:read:target.xml:${xml.length.toString(16)},400`) ?? ''
  expect(xml).toMatch(/^<\?xml.*<target version="1.0"><feature .*<\/target>$/)
  expect(xml.match(/<reg /g)).toHaveLength(registersOf('both').length)
  expect(ask('QStartNoAckMode')).toBe(`+${Buffer.from(packet('OK')).toString()}`)
  expect(ask('qC')).toBe(Buffer.from(packet('QC1')).toString())
})

describe('registers', () => {
  test('stand in the order of the description, and keep their length in every mode', () => {
    const all = registersOf('both')
    const digits = all.reduce((sum, { bits }) => sum + bits / 4, 0)
    expect(answerTo('g')).toHaveLength(digits)
    const state = CPU.state
    state.cr0 |= 1n
    CPU.engine.setState(state)
    session.stopped({ why: 'step', cpu: 0 })
    expect(answerTo('g')).toHaveLength(digits)
    expect(
      all
        .map(({ name }) => name)
        .slice(0, 18)
        .join(' '),
    ).toBe('rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 rip eflags')
  })

  test('are those of every architecture that gdb may be set to before the CPU is in long mode', () => {
    const names = (description: Parameters<typeof registersOf>[0]) => registersOf(description).map(({ name }) => name)
    expect(names('both')).toEqual(expect.arrayContaining(names('i386')))
    expect(names('both')).toEqual(expect.arrayContaining(names('i386:x86-64')))
    // Types whose width gdb's architecture decides would change the packets' length.
    expect(registersOf('both').filter(({ type }) => type.endsWith('_ptr'))).toEqual([])
    for (const { bits, type } of registersOf('both'))
      expect(/^int\d+$/.test(type) ? type : `int${bits}`).toBe(`int${bits}`)
    expect(descriptionFor(true, { cr0: 1n, efer: 0x500n })).toBe('i386:x86-64')
    expect(descriptionFor(true, { cr0: 1n, efer: 0n })).toBe('both')
    expect(descriptionFor(false, { cr0: 1n, efer: 0n })).toBe('i386')
  })

  test('are written one by one and all together', () => {
    expect(answerTo('P0=efbeadde00000000')).toBe('OK')
    expect(answerTo('p0')).toBe('efbeadde00000000')
    expect(CPU.state.gpr[0]).toBe(0xdeadbeefn)
    const all = answerTo('g') ?? ''
    expect(answerTo(`G00112233${all.slice(8)}`)).toBe('OK')
    expect(CPU.state.gpr[0]).toBe(0x33221100n)
    expect(answerTo('P0=12')).toBe('E16')
    expect(answerTo('pffff')).toBe('E16')
    expect(answerTo('G0011')).toBe('E16')
  })
})

test('memory is read and written, and what is not there is an error', () => {
  expect(answerTo('M500,3:010203')).toBe('OK')
  expect(answerTo('m500,3')).toBe('010203')
  session.receive(Buffer.concat([packet(Buffer.from('X500,2:}\x03', 'latin1'))]))
  expect(answerTo('m500,2')).toBe('7d03')
  expect(answerTo('m100000,4')).toBe('E0e')
  expect(answerTo('mfffff,4')).toBe('00')
  expect(answerTo('M500,3:0102')).toBe('E16')
  expect(answerTo('Mfffff,4:01020304')).toBe('E0e')
})

test('breakpoints of all kinds are set and taken away', () => {
  expect(answerTo('Z0,7c00,1')).toBe('OK')
  expect(answerTo('Z2,46c,4')).toBe('OK')
  expect(answerTo('Z4,500,8')).toBe('OK')
  expect(breakpoints).toEqual([
    { kind: 'execute', address: 0x7c00n, length: 1 },
    { kind: 'write', address: 0x46cn, length: 4 },
    { kind: 'access', address: 0x500n, length: 8 },
  ])
  expect(answerTo('z2,46c,4')).toBe('OK')
  expect(breakpoints).toHaveLength(2)
  expect(answerTo('Z9,0,1')).toBe('')
  session.close()
  expect(breakpoints).toEqual([])
})

describe('running', () => {
  test('answers nothing until the machine stands, but an interrupt', () => {
    expect(ask('vCont;c')).toBe('+')
    expect(session.takeResume()).toEqual({ kind: 'continue' })
    expect(ask('g')).toBe('+')
    expect(session.receive(Uint8Array.of(3))).toBe(true)
    answers = []
    session.stopped({ why: 'interrupt', cpu: 1 })
    expect(answers.join('')).toContain('$T02thread:2;#')
  })

  test('steps the CPU that is named, and says what was hit', () => {
    expect(ask('vCont;s:2;c')).toBe('+')
    expect(session.takeResume()).toEqual({ kind: 'step', cpu: 1 })
    answers = []
    const hit: Breakpoint = { kind: 'write', address: 0x46cn, length: 2 }
    session.stopped({ why: 'breakpoint', cpu: 0, hit })
    expect(answers.join('')).toContain('$T05thread:1;watch:46c;#')
    expect(ask('vCont;s:9')).toContain('E16')
  })
})

test('CPUs are threads, and a monitor answers in text', () => {
  expect(answerTo('qfThreadInfo')).toBe('m1,2')
  expect(answerTo('T2')).toBe('OK')
  expect(answerTo('T3')).toBe('E16')
  expect(answerTo('Hg2')).toBe('OK')
  const text = answerTo(`qRcmd,${Buffer.from('info cpus').toString('hex')}`) ?? ''
  expect(Buffer.from(text, 'hex').toString()).toBe('info cpus on 1\n')
})

test('whoever goes leaves a machine that runs on', () => {
  expect(ask('D')).toContain('$OK#')
  expect(session.takeResume()).toEqual({ kind: 'continue' })
  expect(session.isOver).toBe(true)
})

test('5,000 malformed packets are answered or refused', () => {
  const random = new Random(11)
  const commands = 'g G p P m M X Z z H T c s vCont; qXfer:features:read: qRcmd, qThreadExtraInfo, Q D'.split(' ')
  for (let i = 0; i < 5000; i++) {
    const noise = Array.from({ length: random.below(20) }, () =>
      String.fromCharCode(
        random.pick([44, 58, 59, 61, 48 + random.below(10), 97 + random.below(6), random.below(256)]),
      ),
    )
    session.receive(packet(random.pick(commands) + noise.join('')))
    if (session.takeResume()) session.stopped({ why: 'step', cpu: random.below(2) })
  }
  session.stopped({ why: 'step', cpu: 0 })
  expect(answerTo('qfThreadInfo')).toBe('m1,2')
})

test('vector registers are in a group of their own, which info registers leaves out', () => {
  let description = ''
  for (let at = 0; ; at += 0x800) {
    const piece = answerTo(`qXfer:features:read:target.xml:${at.toString(16)},800`) ?? 'l'
    description += piece.slice(1)
    if (piece[0] === 'l') break
  }
  const grouped = [...description.matchAll(/<reg name="(\w+)"[^>]*group="vector"/g)].map(([, name]) => name)
  expect(grouped).toEqual(expect.arrayContaining(['xmm0', 'xmm15', 'ymm15h', 'mxcsr']))
  expect(grouped.every((name) => /^(xmm|ymm|mxcsr)/.test(name))).toBe(true)
})
