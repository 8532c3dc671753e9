/** What a person asks of a machine that stands still, in QEMU's words: `info registers`, `x/8xw 0x7c00`, `x/10i $eip`. */

import { cpuDump, fpuDump } from '../cpu/cpu-dump.js'
import type { TableState } from '../cpu/engine.js'
import type { MachineReport } from '../report.js'
import { codeBits, disassemble, LONGEST_INSTRUCTION } from './disassembly.js'
import { presentPages, readLinear, translate, USER, WRITABLE } from './linear-memory.js'
import type { MachineDebugger } from './machine-debugger.js'
import type { MachineParts } from './machine-parts.js'
import {
  apicLines,
  deviceLines,
  ioApicLines,
  irqLines,
  networkLines,
  pciLines,
  picLines,
  treeLines,
} from './monitor-devices.js'
import { ExpressionError, evaluate } from './monitor-expression.js'

export interface Monitored {
  target: MachineDebugger
  report(): MachineReport
  /** Guest time, ns. */
  now(): number
  instructions(): number
  /** undefined: nothing of it can be shown. */
  parts(): MachineParts | undefined
  /** What a port of `size` bytes answers, or is given. */
  port(address: number, size: 1 | 2 | 4, value?: number): number
}

export interface Command<M = Monitored> {
  names: readonly string[]
  parameters?: string
  help: string
  run(machine: M, cpu: number, parameters: string): string
}

/** A command's parameter, or the CPU that is looked at. */
const cpuNumber = (text: string, cpu: number) => (/^\d{1,4}$/.test(text) ? Number(text) : cpu)

/** Of something that only some machines show. */
const ofParts = (show: (parts: MachineParts, cpu: number, parameters: string) => string): Command['run'] => {
  return (machine, cpu, parameters) => {
    const parts = machine.parts()
    return parts ? show(parts, cpu, parameters) : 'nothing is known of it here\n'
  }
}

const CR0_PG = 1n << 31n
const MOST_LINES = 200
const MOST_PAGES = 2000
/** Bytes at most that `x` shows. */
const MOST_SHOWN = 4096

const COMMANDS: readonly Command[] = [
  {
    names: ['info registers'],
    parameters: '[-a | CPU]',
    help: "the CPU's registers, with -a those of all CPUs",
    run: ({ target }, cpu, parameters) => {
      const cpus = parameters === '-a' ? Array.from({ length: target.cpus }, (_, i) => i) : [cpuNumber(parameters, cpu)]
      return cpus
        .map((one) => {
          if (one >= target.cpus) return `there is no CPU ${one}; 'info cpus' lists them\n`
          const state = target.state(one)
          return `\nCPU#${one}\n${cpuDump(state)}${fpuDump(state)}`
        })
        .join('')
    },
  },
  { names: ['info cpus'], help: 'where each CPU is', run: ({ target }, cpu) => cpuLines(target, cpu) },
  {
    names: ['info mem'],
    help: 'what the page tables map, by ranges with equal rights: u user, r, w',
    run: ({ target }, cpu) => mappings(target, cpu),
  },
  {
    names: ['info tlb'],
    help: 'each page that the page tables map, with the bits of its entry',
    run: ({ target }, cpu) => pageLines(target, cpu),
  },
  {
    names: ['info pic'],
    help: 'the interrupt controllers',
    run: ofParts((parts) => ioApicLines(parts) + picLines(parts)),
  },
  {
    names: ['info lapic', 'info apic'],
    parameters: '[CPU]',
    help: "the CPU's local APIC",
    run: ofParts((parts, cpu, parameters) => apicLines(parts, cpuNumber(parameters, cpu))),
  },
  { names: ['info ioapic'], help: 'the I/O APIC', run: ofParts(ioApicLines) },
  { names: ['info irq'], help: "levels of the devices' interrupt lines, and whose they are", run: ofParts(irqLines) },
  { names: ['info pci'], help: 'PCI functions with their places and BARs', run: ofParts(pciLines) },
  {
    names: ['info network'],
    help: 'network cards, their addresses, and whether their cables are in',
    run: ofParts(networkLines),
  },
  { names: ['info mtree'], help: 'what is at addresses and ports', run: ofParts(treeLines) },
  {
    names: ['info devices', 'info qdm'],
    help: 'names of the devices',
    run: ofParts((parts) => deviceLines(parts, '', false)),
  },
  {
    names: ['info qtree'],
    parameters: '[DEVICE]',
    help: 'the devices with all of their state, or one of them',
    run: ofParts((parts, _cpu, only) => deviceLines(parts, only, true)),
  },
  {
    names: ['info gdt'],
    help: 'the global descriptor table',
    run: ({ target }, cpu) => descriptors(target, cpu, target.state(cpu).gdtr),
  },
  {
    names: ['info idt'],
    help: 'the interrupt descriptor table',
    run: ({ target }, cpu) => gates(target, cpu),
  },
  {
    names: ['info unassigned'],
    help: 'what the guest touched and this machine has not',
    run: (machine) =>
      machine
        .report()
        .unhandled.slice(0, MOST_LINES)
        .map(({ kind, address, name, reads, writes }) => {
          const count = `${reads} reads, ${writes} writes`
          return `${kind} 0x${address.toString(16)}${name ? ` (${name})` : ''}: ${count}\n`
        })
        .join('') || 'nothing\n',
  },
  {
    names: ['info faults'],
    help: 'the last exceptions, the last one last',
    run: (machine) =>
      machine
        .report()
        .faults.filter(({ instructions }) => instructions <= machine.instructions())
        .map(
          ({ vector, errorCode, cs, ip, cr2, instructions }) =>
            `vector ${vector}${errorCode === undefined ? '' : ` error ${errorCode.toString(16)}`} at ${cs.toString(16)}:${ip}${cr2 ? ` CR2 ${cr2}` : ''}, instruction ${instructions}\n`,
        )
        .join('') || 'none\n',
  },
  {
    names: ['when'],
    help: 'guest time and instructions since power-on',
    run: (machine) => `${(machine.now() / 1e9).toFixed(9)} s, ${machine.instructions()} instructions\n`,
  },
  {
    names: ['i'],
    parameters: '/FMT PORT',
    help: 'what a port answers: b h w',
    run: (machine, cpu, parameters) => readPort(machine, cpu, parameters),
  },
  {
    names: ['o'],
    parameters: '/FMT PORT VALUE',
    help: 'writes to a port: b h w',
    run: (machine, cpu, parameters) => writePort(machine, cpu, parameters),
  },
  {
    names: ['p', 'print'],
    parameters: '/FMT EXPRESSION',
    help: 'a value, as in p/x $eip+4 or print kmain',
    run: ({ target }, cpu, parameters) => {
      const [, format = '', text] = /^(?:\/(\w*) )?(.*)$/.exec(parameters) ?? []
      const kind = format === '' ? 'x' : format
      if (!(kind in BASES) && kind !== 'c') return 'p takes one of x, d, u, o and c, as in p/x $eip\n'
      return `${word(resultOf(target, cpu, text), kind, 8).replace(/^0x0+(?=.)/, '0x')}\n`
    },
  },
  {
    names: ['gva2gpa'],
    parameters: 'ADDRESS',
    help: 'the physical address of a linear one',
    run: ({ target }, cpu, parameters) => {
      if (parameters === '') return 'gva2gpa wants an address, as in gva2gpa 0xc0100000\n'
      const linear = resultOf(target, cpu, parameters)
      const place = translate(linear, target.state(cpu), target.physical)
      return place.absent ? 'Unmapped\n' : `gpa: 0x${place.physical.toString(16)}\n`
    },
  },
]

const helpLine = ({ names, parameters = '', help }: Pick<Command, 'names' | 'parameters' | 'help'>) =>
  `${`${names[0]} ${parameters}`.padEnd(28)}${help}\n`
const EXAMINE =
  'x/FMT ADDRESS               memory by linear address, xp/FMT by physical: a count, x d u o c i, b h w g\n'

/** All commands, with those that somebody has beside. @param begins Those alone that begin so. */
export function monitorHelp(more: readonly Pick<Command, 'names' | 'parameters' | 'help'>[], begins = ''): string {
  const shown = [...COMMANDS, ...more].filter(({ names }) => names.some((name) => name.startsWith(begins)))
  return `${shown.map(helpLine).sort().join('')}${begins === '' || /^xp?$/.test(begins) ? EXAMINE : ''}`
}

/** Names of all commands. */
export function monitorNames(): string[] {
  return [...COMMANDS.flatMap(({ names }) => names), 'x', 'xp']
}

/** The answer to one line, always with a line's end; undefined where there is no such command. */
export function monitor(machine: Monitored, line: string, cpu: number): string | undefined {
  const text = line.trim().replace(/\s+/g, ' ')
  try {
    const examined = /^(xp?)(?: ?\/(\w*))? (.+)$/.exec(text)
    if (examined) return examine(machine.target, cpu, examined[1] === 'xp', examined[2] ?? '', examined[3])
    return carryOut(COMMANDS, machine, text, cpu)
  } catch (error) {
    if (error instanceof ExpressionError) return `${error.message}\n`
    throw error
  }
}

/** By the first of the commands that has a name of it. */
export function carryOut<M>(
  commands: readonly Command<M>[],
  machine: M,
  text: string,
  cpu: number,
): string | undefined {
  for (const command of commands) {
    const name = command.names.find((one) => text === one || text.startsWith(`${one} `) || text.startsWith(`${one}/`))
    if (name !== undefined) return command.run(machine, cpu, text.slice(name.length).trim())
  }
  return undefined
}

/** Of an expression. Throws an ExpressionError. */
export function resultOf(target: MachineDebugger, cpu: number, text: string): bigint {
  return evaluate(text, { state: target.state(cpu), addressOf: (symbol) => target.symbols.addressOf(symbol) })
}

const PORT_SIZES: { [letter: string]: 1 | 2 | 4 } = { b: 1, h: 2, w: 4 }

function readPort(machine: Monitored, cpu: number, parameters: string): string {
  const [, letter = 'b', where] = /^(?:\/([bhw]) )?(.+)$/.exec(parameters) ?? []
  if (where === undefined) return 'i wants a port, as in i/b 0x64\n'
  const port = Number(resultOf(machine.target, cpu, where) & 0xffffn)
  const size = PORT_SIZES[letter]
  return `port${letter === 'h' ? 'w' : letter === 'w' ? 'l' : 'b'}[0x${port.toString(16).padStart(4, '0')}] = 0x${machine
    .port(port, size)
    .toString(16)
    .padStart(size * 2, '0')}\n`
}

function writePort(machine: Monitored, cpu: number, parameters: string): string {
  const [, letter = 'b', where, what] = /^(?:\/([bhw]) )?(\S+) (\S+)$/.exec(parameters) ?? []
  if (where === undefined) return 'o wants a port and a value, as in o/b 0x70 0x0f\n'
  const port = Number(resultOf(machine.target, cpu, where) & 0xffffn)
  const size = PORT_SIZES[letter]
  machine.port(port, size, Number(BigInt.asUintN(size * 8, resultOf(machine.target, cpu, what))))
  return ''
}

const SIZES: { [letter: string]: number } = { b: 1, h: 2, w: 4, g: 8 }
const BASES: { [letter: string]: number } = { x: 16, d: 10, u: 10, o: 8 }

function examine(target: MachineDebugger, cpu: number, physical: boolean, format: string, where: string): string {
  const [, count = '', letters = ''] = /^(\d*)([a-z]*)$/.exec(format) ?? []
  const size = SIZES[[...letters].find((letter) => letter in SIZES) ?? 'w']
  const kind = [...letters].find((letter) => letter in BASES || letter === 'c') ?? 'x'
  if (letters.includes('i')) return instructions(target, cpu, physical, { count, letters, where })
  const known = [...letters].every((letter) => letter in SIZES || letter in BASES || letter === 'c')
  if (!known) return 'x wants a count, a format and an address, as in x/8xw 0x7c00\n'
  const address = resultOf(target, cpu, where)
  const length = Math.min(MOST_SHOWN, Math.max(1, Number(count || 1)) * size)
  const bytes = physical
    ? target.physical.bytes(Number(address), length)
    : readLinear(address, length, target.state(cpu), target.physical)
  const perLine = kind === 'c' ? 16 : 16 / size
  const values = Array.from({ length: Math.floor(bytes.length / size) }, (_, i) => {
    const value = Buffer.from(bytes.slice(i * size, (i + 1) * size))
      .reverse()
      .toString('hex')
    return word(BigInt(`0x${value}`), kind, size)
  })
  const lines: string[] = []
  for (let i = 0; i < values.length; i += perLine)
    lines.push(
      `${(address + BigInt(i * size)).toString(16).padStart(16, '0')}: ${values.slice(i, i + perLine).join(' ')}\n`,
    )
  if (bytes.length < length) lines.push(`${(address + BigInt(bytes.length)).toString(16)}: no memory is there\n`)
  return lines.join('')
}

const MOST_INSTRUCTIONS = 1000

/** `x/10i $eip`, in the mode that the CPU is in. */
function instructions(
  target: MachineDebugger,
  cpu: number,
  physical: boolean,
  { count, letters, where }: { count: string; letters: string; where: string },
): string {
  if (letters !== 'i') return 'x/i takes a count and an address, as in x/10i $eip\n'
  const address = resultOf(target, cpu, where)
  const state = target.state(cpu)
  const wanted = Math.min(MOST_INSTRUCTIONS, Math.max(1, Number(count || 1)))
  const length = wanted * LONGEST_INSTRUCTION
  const bytes = physical
    ? target.physical.bytes(Number(address), length)
    : readLinear(address, length, state, target.physical)
  const bits = codeBits(state)
  const found = disassemble(bytes, address, bits, wanted, (to) => target.nameOf(to))
  const digits = bits === 64 ? 16 : 8
  let name = ''
  const lines = found.map((one) => {
    const before = name
    // Of a line's instructions the first one has its name.
    name = target
      .nameOf(one.address)
      .trim()
      .replace(/\+0x[\da-f]+(?=>)/, '')
    const title = name !== before && name !== '' ? `${name}\n` : ''
    const hex = Buffer.from(one.bytes)
      .toString('hex')
      .replace(/..(?=.)/g, '$& ')
    return `${title}0x${one.address.toString(16).padStart(digits, '0')}:  ${hex.padEnd(24)} ${one.text}\n`
  })
  if (found.length < wanted) lines.push(`${(address + BigInt(bytes.length)).toString(16)}: no memory is there\n`)
  return lines.join('')
}

function word(value: bigint, kind: string, size: number): string {
  if (kind === 'c') return `'${value >= 32n && value < 127n ? String.fromCharCode(Number(value)) : '.'}'`
  if (kind === 'd') return BigInt.asIntN(size * 8, value).toString()
  if (kind === 'x') return `0x${value.toString(16).padStart(size * 2, '0')}`
  return value.toString(BASES[kind])
}

function cpuLines(target: MachineDebugger, cpu: number): string {
  return Array.from({ length: target.cpus }, (_, i) => {
    const { rip, segments, halted } = target.state(i)
    const place = `${segments[1].selector.toString(16)}:${rip.toString(16).padStart(8, '0')}`
    return `${i === cpu ? '*' : ' '} CPU #${i}: ${place}${halted ? ' (halted)' : ''}\n`
  }).join('')
}

/** Ranges of pages with equal rights that follow one another, as QEMU has them. */
function mappings(target: MachineDebugger, cpu: number): string {
  const state = target.state(cpu)
  if (!(state.cr0 & CR0_PG)) return 'PG disabled\n'
  const lines: string[] = []
  const sixteen = (value: bigint) => BigInt.asUintN(64, value).toString(16).padStart(16, '0')
  let range: { linear: bigint; length: bigint; rights: bigint } | undefined
  const end = () => {
    if (!range) return
    const { linear, length, rights } = range
    const may = `${rights & USER ? 'u' : '-'}r${rights & WRITABLE ? 'w' : '-'}`
    lines.push(`${sixteen(linear)}-${sixteen(linear + length)} ${sixteen(length)} ${may}\n`)
  }
  for (const page of presentPages(state, target.physical)) {
    if (!page) {
      end()
      return `${lines.join('')}and more, perhaps\n`
    }
    const { linear, length, rights } = page
    if (range && linear === range.linear + range.length && rights === range.rights) range.length += length
    else {
      end()
      if (lines.length >= MOST_PAGES) return `${lines.join('')}and more\n`
      range = { linear, length, rights }
    }
  }
  end()
  return lines.join('') || 'nothing is mapped\n'
}

/** Of an entry of a page table, as `info tlb` shows them (QEMU, target/i386/monitor.c). */
const ENTRY_BITS: readonly (readonly [letter: string, bit: bigint])[] = [
  ...[['X', 1n << 63n] as const, ['G', 1n << 8n] as const, ['P', 1n << 7n] as const, ['D', 1n << 6n] as const],
  ...[['A', 1n << 5n] as const, ['C', 1n << 4n] as const, ['T', 1n << 3n] as const],
  ...[['U', USER] as const, ['W', WRITABLE] as const],
]

function pageLines(target: MachineDebugger, cpu: number): string {
  const state = target.state(cpu)
  if (!(state.cr0 & CR0_PG)) return 'PG disabled\n'
  const lines: string[] = []
  for (const page of presentPages(state, target.physical)) {
    if (!page) return `${lines.join('')}and more, perhaps\n`
    const { linear, physical, length, entry } = page
    if (lines.length >= MOST_PAGES) return `${lines.join('')}and more\n`
    // Of a page of 4 KiB the bit that says how large it is means something else.
    const bits = ENTRY_BITS.map(([letter, bit]) => (entry & bit && (letter !== 'P' || length > 4096n) ? letter : '-'))
    lines.push(
      `${linear.toString(16).padStart(16, '0')}: ${physical.toString(16).padStart(16, '0')} ${bits.join('')}\n`,
    )
  }
  return lines.join('') || 'nothing is mapped\n'
}

const DESCRIPTOR_BYTES = 8

function descriptors(target: MachineDebugger, cpu: number, table: TableState): string {
  const count = Math.min(MOST_LINES, Math.floor((table.limit + 1) / DESCRIPTOR_BYTES))
  const bytes = target.read(cpu, table.base, count * DESCRIPTOR_BYTES)
  const lines = Array.from({ length: Math.floor(bytes.length / DESCRIPTOR_BYTES) }, (_, i) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset + i * DESCRIPTOR_BYTES)
    const [low, high] = [view.getUint32(0, true), view.getUint32(4, true)]
    if (low === 0 && high === 0) return ''
    const base = ((high & 0xff000000) | ((high & 0xff) << 16) | (low >>> 16)) >>> 0
    const limit = (high & 0xf0000) | (low & 0xffff)
    const bytesLimit = high & 0x800000 ? limit * 4096 + 4095 : limit
    const access = (high >> 8) & 0xf0ff
    return `${(i * DESCRIPTOR_BYTES).toString(16).padStart(4, '0')}: base ${hex(base, 8)} limit ${hex(bytesLimit, 8)} access ${hex(access, 4)} DPL ${(high >> 13) & 3}${high & 0x8000 ? '' : ' not present'}\n`
  })
  return `base ${table.base.toString(16)} limit ${table.limit.toString(16)}\n${lines.join('')}`
}

function gates(target: MachineDebugger, cpu: number): string {
  const state = target.state(cpu)
  const { idtr } = state
  const isLong = (state.efer & (1n << 10n)) !== 0n
  const size = isLong ? 16 : state.cr0 & 1n ? 8 : 4
  const count = Math.min(256, Math.floor((idtr.limit + 1) / size))
  const bytes = target.read(cpu, idtr.base, count * size)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const lines = Array.from({ length: Math.floor(bytes.length / size) }, (_, i) => {
    const at = i * size
    const low = view.getUint32(at, true)
    if (size === 4) return `${hex(i, 2)}: ${hex(low >>> 16, 4)}:${hex(low & 0xffff, 4)}\n`
    const high = view.getUint32(at + 4, true)
    if (!(high & 0x8000)) return ''
    const upper = isLong ? BigInt(view.getUint32(at + 8, true)) << 32n : 0n
    const offset = upper | BigInt(((high & 0xffff0000) | (low & 0xffff)) >>> 0)
    return `${hex(i, 2)}: ${hex(low >>> 16, 4)}:${offset.toString(16).padStart(isLong ? 16 : 8, '0')} type ${hex((high >> 8) & 31, 2)} DPL ${(high >> 13) & 3}\n`
  })
  return `base ${idtr.base.toString(16)} limit ${idtr.limit.toString(16)}\n${lines.join('')}`
}

const hex = (value: number, digits: number) => (value >>> 0).toString(16).padStart(digits, '0')
