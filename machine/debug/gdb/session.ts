/**
 * One debugger's session: answers packets while the machine stands still, and says when it goes on. Whoever runs the
 * machine asks `resumed` and tells `stopped()`.
 * Source: Debugging with GDB, appendix E "GDB Remote Serial Protocol", E.2 "Packets" and E.3 "Stop Reply Packets".
 */
import { type Breakpoint, type CpuState, isEvent } from '../../cpu/engine.js'
import type { DebugStop, DebugTarget } from '../debug-target.js'
import { describePoint } from '../monitor-breakpoints.js'
import { LONGEST_PACKET, PacketReader, packet, type Received } from './packets.js'
import {
  descriptionFor,
  type Register,
  registersOf,
  registerText,
  registerValue,
  targetXml,
} from './target-description.js'

/** What the machine is to do next. */
export type Resume = { kind: 'continue' | 'back' } | { kind: 'step' | 'step-back'; cpu: number }

const SIGINT = 2
const SIGTRAP = 5
const SIGSEGV = 11
/** Of a reply that is escaped at its worst. */
const MOST_BYTES = (LONGEST_PACKET >> 1) - 16
const MOST_BREAKPOINTS = 512
const EINVAL = 'E16'
const EFAULT = 'E0e'

/** Z0 and Z1 are the same here: no bytes of the guest's are changed for either. */
const KINDS: readonly Breakpoint['kind'][] = ['execute', 'execute', 'write', 'read', 'access']

export class GdbSession {
  private readonly reader = new PacketReader()
  private readonly registers: Register[]
  private readonly description: string
  private noAck = false
  private lastReply: Uint8Array | undefined
  /** For `g`, `m` and the like, and for `s` and `c` without vCont. */
  private general = 0
  private reason: DebugStop = { why: 'interrupt', cpu: 0 }
  private running = false
  private wanted: Resume | undefined
  private readonly breakpoints = new Map<string, Breakpoint>()
  /** Registers of the stop, asked for once. */
  private readonly states = new Map<number, CpuState>()
  private gone = false
  /** What is to be said when the machine goes on. */
  private unsaid: string[] = []

  constructor(
    private readonly target: DebugTarget,
    private readonly send: (bytes: Uint8Array) => void,
    /** What `monitor COMMAND` answers. */
    private readonly monitor: (command: string, cpu: number) => string,
    /** Whether the machine can be gone back. */
    private readonly goesBack = false,
  ) {
    const description = descriptionFor(target.long, target.state(0))
    this.registers = registersOf(description)
    this.description = targetXml(this.registers, description)
  }

  /** What the debugger wants next, once; undefined while it wants the machine to stand. */
  takeResume(): Resume | undefined {
    const { wanted } = this
    this.wanted = undefined
    return wanted
  }

  /** It has detached, or its line is gone. */
  get isOver(): boolean {
    return this.gone
  }

  /** The machine stands still. */
  stopped(reason: DebugStop): void {
    this.reason = reason
    this.general = reason.cpu
    this.states.clear()
    if (!this.running) return
    // gdb has no word of its own for these.
    if (reason.why === 'breakpoint' && isEvent(reason.hit)) this.say(describePoint(reason.hit))
    this.running = false
    this.reply(this.stopReply())
  }

  /** Shown to the person: a line, before the machine's next stop. */
  say(text: string): void {
    if (this.running) this.reply(`O${Buffer.from(`${text}\n`).toString('hex')}`)
    else this.unsaid.push(text)
  }

  /** Bytes from the debugger. Returns true where it asks a running machine to stop. */
  receive(bytes: Uint8Array): boolean {
    let stop = false
    for (const one of this.reader.add(bytes)) if (this.take(one)) stop = true
    return stop
  }

  /** The debugger's line is gone: nothing of it stays in the machine, which goes on. */
  close(): void {
    this.breakpoints.clear()
    this.target.setBreakpoints([])
    this.wanted = { kind: 'continue' }
    this.running = true
    this.gone = true
  }

  private take(received: Received): boolean {
    switch (received.kind) {
      case 'interrupt':
        return this.running
      case 'acknowledged':
        if (!received.well && this.lastReply && !this.noAck) this.send(this.lastReply)
        return false
      case 'damaged':
        if (!this.noAck) this.send(Buffer.from('-'))
        return false
      case 'packet':
        if (!this.noAck) this.send(Buffer.from('+'))
        // A running target answers nothing but an interrupt.
        if (!this.running) this.command(Buffer.from(received.data))
        return false
    }
  }

  private reply(data: string | Uint8Array): void {
    this.lastReply = packet(data)
    this.send(this.lastReply)
  }

  private command(data: Buffer): void {
    const text = data.toString('latin1')
    const answer = this.answer(text, data)
    if (answer !== undefined) this.reply(answer)
  }

  /** undefined: no reply, or a later one. */
  private answer(text: string, data: Buffer): string | Uint8Array | undefined {
    const rest = text.slice(1)
    switch (text[0]) {
      case '?':
        return this.stopReply()
      case 'g':
        return this.registers.map((register) => registerText(register, register.read(this.state()))).join('')
      case 'G':
        return this.writeAll(rest)
      case 'p':
        return this.readOne(rest)
      case 'P':
        return this.writeOne(rest)
      case 'm':
        return this.readMemory(rest)
      case 'M':
        return this.writeMemory(rest, (payload) =>
          /^([\da-f]{2})*$/i.test(payload) ? Buffer.from(payload, 'hex') : undefined,
        )
      case 'X': {
        const colon = data.indexOf(':')
        return this.writeMemory(rest, () => (colon < 0 ? undefined : data.subarray(colon + 1)))
      }
      case 'Z':
      case 'z':
        return this.breakpoint(text[0] === 'Z', rest)
      case 'H':
        return this.select(rest.slice(1))
      case 'T':
        return this.cpuOf(rest) === undefined ? EINVAL : 'OK'
      case 'c':
      case 'C':
        return this.resume({ kind: 'continue' }, text[0] === 'C' ? rest.split(';')[1] : rest)
      case 's':
      case 'S':
        return this.resume({ kind: 'step', cpu: this.general }, text[0] === 'S' ? rest.split(';')[1] : rest)
      case 'b':
        if (!this.goesBack || (rest !== 'c' && rest !== 's')) return ''
        return this.resume(rest === 'c' ? { kind: 'back' } : { kind: 'step-back', cpu: this.general }, undefined)
      case 'v':
        return this.verbose(rest)
      case 'q':
        return this.query(rest)
      case 'Q':
        if (rest !== 'StartNoAckMode') return ''
        this.noAck = true
        return 'OK'
      case 'D':
        this.reply('OK')
        this.close()
        return undefined
      case 'k':
        this.close()
        return undefined
      default:
        return ''
    }
  }

  // Registers -----------------------------------------------------------------------------------------------------------

  private state(): CpuState {
    let state = this.states.get(this.general)
    if (!state) {
      state = this.target.state(this.general)
      this.states.set(this.general, state)
    }
    return state
  }

  private writeAll(text: string): string {
    const state = this.state()
    let at = 0
    const writes: (() => void)[] = []
    for (const register of this.registers) {
      const digits = register.bits / 4
      const value = registerValue(register, text.slice(at, at + digits))
      at += digits
      if (value === undefined) return EINVAL
      if (register.write && value !== register.read(state)) writes.push(() => register.write?.(state, value))
    }
    for (const write of writes) write()
    return this.setState(state)
  }

  private readOne(text: string): string {
    const register = this.registers[Number.parseInt(text, 16)]
    return register ? registerText(register, register.read(this.state())) : EINVAL
  }

  private writeOne(text: string): string {
    const [number, value] = text.split('=')
    const register = this.registers[Number.parseInt(number, 16)]
    const wanted = register && registerValue(register, value ?? '')
    if (wanted === undefined) return EINVAL
    const state = this.state()
    register.write?.(state, wanted)
    return this.setState(state)
  }

  private setState(state: CpuState): string {
    try {
      this.target.setState(this.general, state)
      return 'OK'
    } catch {
      // What no CPU can be in; the debugger is shown what stands.
      this.states.delete(this.general)
      return EINVAL
    }
  }

  // Memory ---------------------------------------------------------------------------------------------------------------

  private readMemory(text: string): string {
    const [address, length] = text.split(',')
    const from = hexNumber(address)
    const count = hexNumber(length)
    if (from === undefined || count === undefined) return EINVAL
    const bytes = this.target.read(this.general, from, Number(count > MOST_BYTES ? MOST_BYTES : count))
    return bytes.length === 0 && count > 0n ? EFAULT : Buffer.from(bytes).toString('hex')
  }

  private writeMemory(text: string, payloadOf: (payload: string) => Uint8Array | undefined): string {
    const [where, payload = ''] = text.split(/:(.*)/s, 2)
    const [address, length] = where.split(',')
    const from = hexNumber(address)
    const bytes = payloadOf(payload)
    if (from === undefined || bytes === undefined || hexNumber(length) !== BigInt(bytes.length)) return EINVAL
    return this.target.write(this.general, from, bytes) === bytes.length ? 'OK' : EFAULT
  }

  // Breakpoints ----------------------------------------------------------------------------------------------------------

  private breakpoint(insert: boolean, text: string): string {
    const [type, where, size] = text.split(';')[0].split(',')
    const kind = KINDS[Number(type)]
    const address = hexNumber(where)
    const length = hexNumber(size)
    if (kind === undefined) return ''
    if (address === undefined || length === undefined || length > 0x1000n) return EINVAL
    const key = `${type},${address},${length}`
    if (insert) {
      if (this.breakpoints.size >= MOST_BREAKPOINTS) return EINVAL
      const wanted: Breakpoint = { kind, address, length: kind === 'execute' ? 1 : Math.max(1, Number(length)) }
      const why = this.breakpoints.has(key) ? undefined : this.target.refusal(wanted)
      if (why) return `E.${why}`
      this.breakpoints.set(key, wanted)
    } else this.breakpoints.delete(key)
    this.target.setBreakpoints([...this.breakpoints.values()])
    return 'OK'
  }

  // Running --------------------------------------------------------------------------------------------------------------

  /** @param address Where to go on, which only old debuggers say. */
  private resume(wanted: Resume, address: string | undefined): string | undefined {
    if (address) {
      const rip = hexNumber(address)
      if (rip === undefined) return EINVAL
      const state = this.state()
      state.rip = rip
      this.setState(state)
    }
    this.wanted = wanted
    this.running = true
    for (const text of this.unsaid.splice(0)) this.say(text)
    return undefined
  }

  private verbose(text: string): string | undefined {
    if (text === 'Cont?') return 'vCont;c;C;s;S'
    if (text.startsWith('Cont;')) return this.continueBy(text.slice('Cont;'.length).split(';'))
    if (text.startsWith('Kill')) {
      this.reply('OK')
      this.close()
      return undefined
    }
    return ''
  }

  /** Each CPU does what the first action that names it says; the machine runs as one, so that one that steps decides. */
  private continueBy(actions: readonly string[]): string | undefined {
    for (const action of actions) {
      const [what, thread] = action.split(':')
      if (!/^[cs]$|^[CS][\da-f]{2}$/i.test(what)) return EINVAL
      if (what[0].toLowerCase() !== 's') continue
      const cpu = thread === undefined ? this.general : this.cpuOf(thread)
      if (cpu === undefined) return EINVAL
      return this.resume({ kind: 'step', cpu }, undefined)
    }
    return this.resume({ kind: 'continue' }, undefined)
  }

  private stopReply(): string {
    const { why, cpu } = this.reason
    const hit = this.reason.why === 'breakpoint' ? this.reason.hit : undefined
    const thread = `thread:${(cpu + 1).toString(16)};`
    const signal = (number: number) => number.toString(16).padStart(2, '0')
    if (why === 'interrupt') return `T${signal(SIGINT)}${thread}`
    if (why === 'exit') return `T${signal(SIGSEGV)}${thread}`
    if (why === 'begin') return `T${signal(SIGTRAP)}${thread}replaylog:begin;`
    const words: { [kind: string]: string } = { execute: 'hwbreak', write: 'watch', read: 'rwatch', access: 'awatch' }
    const where = hit && hit.kind !== 'execute' ? hit.address.toString(16) : ''
    return `T${signal(SIGTRAP)}${thread}${hit && !isEvent(hit) ? `${words[hit.kind]}:${where};` : ''}`
  }

  // CPUs are threads, from 1 on ------------------------------------------------------------------------------------------

  private cpuOf(text: string): number | undefined {
    const thread = Number.parseInt(text, 16)
    if (thread === 0 || text === '-1') return this.general
    return thread >= 1 && thread <= this.target.cpus ? thread - 1 : undefined
  }

  private select(text: string): string {
    const cpu = this.cpuOf(text)
    if (cpu === undefined) return EINVAL
    this.general = cpu
    return 'OK'
  }

  // Questions ------------------------------------------------------------------------------------------------------------

  private query(text: string): string {
    const [name, ...rest] = text.split(/[:,]/)
    switch (name) {
      case 'Supported':
        return `PacketSize=${LONGEST_PACKET.toString(16)};qXfer:features:read+;qXfer:memory-map:read+;vContSupported+;QStartNoAckMode+;hwbreak+${this.goesBack ? ';ReverseStep+;ReverseContinue+' : ''}`
      case 'Xfer':
        if (rest[1] !== 'read') return ''
        if (rest[0] === 'features' && rest[2] === 'target.xml') return part(this.description, rest[3], rest[4])
        return rest[0] === 'memory-map' && rest[2] === '' ? part(memoryMap(this.target.long), rest[3], rest[4]) : ''
      case 'fThreadInfo':
        return `m${Array.from({ length: this.target.cpus }, (_, i) => (i + 1).toString(16)).join(',')}`
      case 'sThreadInfo':
        return 'l'
      case 'ThreadExtraInfo': {
        const cpu = this.cpuOf(rest[0])
        if (cpu === undefined) return EINVAL
        return Buffer.from(`CPU#${cpu} [${this.target.state(cpu).halted ? 'halted' : 'running'}]`).toString('hex')
      }
      case 'C':
        return `QC${(this.general + 1).toString(16)}`
      case 'Attached':
        return '1'
      case 'Rcmd': {
        const command = Buffer.from(rest[0] ?? '', 'hex').toString('utf8')
        const answer = this.monitor(command, this.general)
        return Buffer.from(answer.slice(0, MOST_BYTES >> 1)).toString('hex')
      }
      default:
        return ''
    }
  }
}

function hexNumber(text: string | undefined): bigint | undefined {
  return text !== undefined && /^[\da-f]{1,16}$/i.test(text) ? BigInt(`0x${text}`) : undefined
}

/** A piece of a document: `l` before the last one, `m` before others. */
function part(document: string, offset: string, length: string): string {
  const [from, count] = [hexNumber(offset), hexNumber(length)]
  if (from === undefined || count === undefined) return EINVAL
  const piece = document.slice(Number(from), Number(from) + Math.min(Number(count), MOST_BYTES))
  return (Number(from) + piece.length >= document.length ? 'l' : 'm') + piece
}

/**
 * gdb's addresses are linear ones, and it asks for the map once: page tables may show RAM, ROM and devices anywhere later, so
 * each address may be touched, and a touch of what is not there is answered then. A length of 2^64 is no number to gdb.
 * Source: Debugging with GDB, E.15 "Memory Map Format".
 */
function memoryMap(long: boolean): string {
  const [half, halves] = long
    ? ['0x8000000000000000', ['0x0', '0x8000000000000000']]
    : ['0x80000000', ['0x0', '0x80000000']]
  const regions = halves.map((start) => `<memory type="ram" start="${start}" length="${half}"/>`)
  return `<?xml version="1.0"?><!DOCTYPE memory-map PUBLIC "+//IDN gnu.org//DTD GDB Memory Map V1.0//EN" "http://sourceware.org/gdb/gdb-memory-map.dtd"><memory-map>${regions.join('')}</memory-map>`
}
