/** A monitor in the machine's thread: looks at the machine, and acts on it as a person would, in QEMU's words. */
import { type Breakpoint, isEvent } from '../../../machine/cpu/engine.js'
import { LOG_ITEMS, LogError, logHelp } from '../../../machine/debug/machine-log.js'
import type { MachineParts } from '../../../machine/debug/machine-parts.js'
import {
  type Command,
  carryOut,
  type Monitored,
  monitor,
  monitorHelp,
  monitorNames,
  resultOf,
} from '../../../machine/debug/monitor.js'
import { BreakpointError, describePoint, parsePoint } from '../../../machine/debug/monitor-breakpoints.js'
import { ExpressionError } from '../../../machine/debug/monitor-expression.js'
import type { State } from '../../../machine/device.js'
import type { InputEvent } from '../../../machine/input.js'
import type { Machine } from '../../../machine/machine.js'
import { filesOf, type MachineState } from '../../../machine/state/machine-state.js'
import { SnapshotError } from '../../../machine/state/snapshot-error.js'
import { itemsOf } from '../../config/log-file.js'
import { keyCode } from '../../keys/keys.js'
import { nearest } from '../../words/nearest.js'
import { blockLines, change, eject, type MonitoredMedia, setLink } from './monitor-media.js'

/** What it may do beside. */
export interface MonitorHands {
  input(event: InputEvent): void
  /** What the machine's holder knows of the guest. */
  save(): State
  load(state: State): void
  /** The machine stands still until `resume`. */
  pause(): void
  /** False: a debugger holds it. */
  resume(): boolean
  isPaused(): boolean
  /** The monitor's breakpoint that it stands at. */
  stoppedFor(): Breakpoint | undefined
  history(): string
  /** What is in the drives, and what changes it. */
  media: MonitoredMedia
  /** Files of a state are to be open from now on, or need not be any more; or the machine goes on from it. */
  files(what: 'kept' | 'forgotten' | 'stood-on', files: readonly number[]): void
}

interface Kept {
  state: MachineState
  holder: State
  ns: number
  instructions: number
}

/** Snapshots that one machine keeps by name. */
const MOST_SNAPSHOTS = 32
const MOST_KEYS = 16
const MOST_POINTS = 256
const COMMANDS: readonly Command<LiveMonitor>[] = [
  {
    names: ['help', '?'],
    parameters: '[COMMAND]',
    help: 'this list, or what of it begins so',
    run: (_own, _cpu, text) => monitorHelp(COMMANDS, text),
  },
  { names: ['info status'], help: 'whether the machine runs', run: (own) => own.status() },
  { names: ['info snapshots'], help: 'what savevm has kept', run: (own) => own.snapshots() },
  { names: ['info history'], help: 'how far a debugger can go back', run: (own) => `${own.hands.history()}\n` },
  {
    names: ['info block'],
    help: 'the drives and the files in them',
    run: (own) => own.withParts((parts) => blockLines(own.hands.media, parts)),
  },
  {
    names: ['eject'],
    parameters: '[-f] DRIVE',
    help: 'takes out what is in a drive; with -f though the guest has locked it',
    run: (own, _cpu, text) => own.withParts((parts) => eject(own.hands.media, parts, text)),
  },
  {
    names: ['change'],
    parameters: '[-f] DRIVE FILE',
    help: 'puts another medium into a drive, as in change cdrom disc2.iso',
    run: (own, _cpu, text) => own.withParts((parts) => change(own.hands.media, parts, text)),
  },
  {
    names: ['set_link'],
    parameters: 'CARD on|off',
    help: "plugs a network card's cable in or pulls it out",
    run: (own, _cpu, text) => setLink(own.hands.media, text),
  },
  { names: ['stop', 's'], help: 'the machine stands still', run: (own) => own.quiet(() => own.hands.pause()) },
  {
    names: ['cont', 'c'],
    help: 'it goes on',
    run: (own) => (own.hands.resume() ? '' : 'gdb holds the machine; let it go on there\n'),
  },
  {
    names: ['system_reset'],
    help: 'the reset button',
    run: (own) => own.quiet(() => own.hands.input({ kind: 'reset' })),
  },
  {
    names: ['system_powerdown'],
    help: 'the power button',
    run: (own) => own.quiet(() => own.hands.input({ kind: 'power-button' })),
  },
  {
    names: ['break', 'b'],
    parameters: '[KIND] WHERE [LENGTH]',
    help: 'stops there: execute, write, read, access; interrupt 14, in 0x60, out 0x64, rdmsr, wrmsr 0xc0000080',
    run: (own, cpu, text) => own.breakAt(text, cpu),
  },
  { names: ['info breakpoints'], help: "the monitor's own, by number", run: (own) => own.breakpoints() },
  {
    names: ['delete'],
    parameters: '[NUMBER]',
    help: "one of the monitor's breakpoints, or all",
    run: (own, _cpu, text) => own.deletePoint(text),
  },
  {
    names: ['nmi'],
    help: 'an interrupt that cannot be masked, for every CPU',
    run: (own) => own.quiet(() => own.hands.input({ kind: 'nmi' })),
  },
  {
    names: ['cpu'],
    parameters: 'CPU',
    help: 'which CPU is looked at from now on',
    run: (own, _cpu, text) => own.choose(text),
  },
  {
    names: ['sendkey'],
    parameters: 'KEYS',
    help: 'presses keys together, as in sendkey ctrl-alt-delete',
    run: (own, _cpu, keys) => own.sendKeys(keys),
  },
  {
    names: ['mouse_move'],
    parameters: 'DX DY [DZ]',
    help: 'moves the mouse',
    run: (own, _cpu, text) => own.moveMouse(text),
  },
  {
    names: ['mouse_button'],
    parameters: 'STATE',
    help: "the mouse's buttons: 1 left, 2 right, 4 middle",
    run: (own, _cpu, text) => own.pressMouse(text),
  },
  {
    names: ['savevm', 'snapshot'],
    parameters: 'TAG',
    help: 'keeps the machine as it is, as long as it lives',
    run: (own, _cpu, tag) => own.keep(tag),
  },
  { names: ['loadvm'], parameters: 'TAG', help: 'goes back to it', run: (own, _cpu, tag) => own.goBack(tag) },
  { names: ['delvm'], parameters: 'TAG', help: 'forgets it', run: (own, _cpu, tag) => own.forget(tag) },
  {
    names: ['log'],
    parameters: 'ITEMS',
    help: `what is logged from now on: ${LOG_ITEMS.map(({ names }) => names[0]).join(',')} or none`,
    run: (own, _cpu, items) => own.logItems(items),
  },
]

export class LiveMonitor {
  private readonly kept = new Map<string, Kept>()
  /** The CPU that is looked at where nobody says which. */
  private chosen = 0

  constructor(
    private readonly machine: Machine,
    readonly hands: MonitorHands,
  ) {}

  /** The answer to a line, with its end; nothing where all is well and there is nothing to say. */
  answer(line: string, asked?: number): string {
    const { machine } = this
    const target = machine.debugTarget
    const text = line.trim().replace(/\s+/g, ' ')
    if (text === '') return ''
    if (!target) return 'this machine cannot be looked at\n'
    const cpu = asked ?? this.chosen
    if (!(cpu >= 0 && cpu < target.cpus)) return `there is no CPU ${cpu}\n`
    const looked: Monitored = {
      target,
      report: () => machine.report(),
      now: () => machine.now(),
      instructions: () => machine.instructions(),
      parts: () => machine.parts?.(),
      port: (address, size, value) => this.port(address, size, value),
    }
    try {
      if (text === 'info') return monitorHelp(COMMANDS, text)
      return carryOut(COMMANDS, this, text, cpu) ?? monitor(looked, text, cpu) ?? unknown(text)
    } catch (error) {
      if (ONE_SENTENCE.some((kind) => error instanceof kind)) return `${(error as Error).message}\n`
      throw error
    }
  }

  withParts(answer: (parts: MachineParts) => string): string {
    const parts = this.machine.parts?.()
    return parts ? answer(parts) : 'this machine cannot be looked at\n'
  }

  choose(text: string): string {
    const { cpus } = this.machine.debugTarget ?? { cpus: 1 }
    if (!/^\d{1,4}$/.test(text) || Number(text) >= cpus)
      return `cpu wants a number from 0 to ${cpus - 1}; 'info cpus' lists them\n`
    this.chosen = Number(text)
    return ''
  }

  breakAt(text: string, cpu: number): string {
    const target = this.machine.debugTarget
    if (!target) return 'this machine cannot be looked at\n'
    if (target.marks.length >= MOST_POINTS) return `there are ${MOST_POINTS} breakpoints; forget one by delete\n`
    const point = parsePoint(text, (where) => resultOf(target, cpu, where))
    const why = target.refusal(point)
    if (why) return `${why}\n`
    target.marks = [...target.marks, point]
    return `breakpoint ${target.marks.length}: ${this.shown(point)}\n`
  }

  private shown(point: Breakpoint): string {
    return describePoint(point) + (isEvent(point) ? '' : (this.machine.debugTarget?.nameOf(point.address) ?? ''))
  }

  breakpoints(): string {
    const marks = this.machine.debugTarget?.marks ?? []
    return marks.map((point, i) => `${i + 1}: ${this.shown(point)}\n`).join('') || 'there are none; break makes one\n'
  }

  deletePoint(text: string): string {
    const target = this.machine.debugTarget
    if (!target) return ''
    const number = Number(text)
    if (text !== '' && !(Number.isInteger(number) && number >= 1 && number <= target.marks.length))
      return `there is no breakpoint ${text}; 'info breakpoints' lists them\n`
    target.marks = text === '' ? [] : target.marks.filter((_, i) => i !== number - 1)
    return ''
  }

  quiet(act: () => void): string {
    act()
    return ''
  }

  status(): string {
    const why = this.hands.stoppedFor()
    const shown = why && ` (${this.shown(why)})`
    return `VM status: ${this.hands.isPaused() ? `paused${shown ?? ''}` : 'running'}\n`
  }

  private port(address: number, size: 1 | 2 | 4, value?: number): number {
    const { machine } = this
    if (!machine.port || !machine.debugTarget)
      throw new MonitorError('ports cannot be touched while the machine is recorded')
    let answer = 0
    machine.debugTarget.act(() => {
      answer = machine.port?.(address, size, value) ?? 0
    })
    return answer
  }

  sendKeys(text: string): string {
    const [keys = '', hold] = text.split(' ')
    const names = keys.split('-').filter((name) => name !== '')
    if (names.length === 0 || names.length > MOST_KEYS || (hold !== undefined && !/^\d+$/.test(hold)))
      return 'sendkey wants keys, as in sendkey ctrl-alt-delete\n'
    let codes: string[]
    try {
      codes = names.map((name) => keyCode(name))
    } catch (error) {
      return `${(error as Error).message}\n`
    }
    for (const code of codes) this.hands.input({ kind: 'key', code, down: true })
    for (const code of codes.reverse()) this.hands.input({ kind: 'key', code, down: false })
    return ''
  }

  moveMouse(text: string): string {
    const numbers = text.split(' ')
    if (numbers.length < 2 || numbers.length > 3 || !numbers.every((one) => /^-?\d{1,5}$/.test(one)))
      return 'mouse_move wants two numbers, as in mouse_move 10 -5\n'
    const [dx, dy, dz = 0] = numbers.map(Number)
    return this.quiet(() => this.hands.input({ kind: 'mouse', dx, dy, dz, buttons: 0 }))
  }

  pressMouse(text: string): string {
    if (!/^[0-7]$/.test(text)) return 'mouse_button wants 0 to 7: 1 left, 2 right, 4 middle\n'
    return this.quiet(() => this.hands.input({ kind: 'mouse', dx: 0, dy: 0, dz: 0, buttons: Number(text) }))
  }

  keep(tag: string): string {
    if (!/^[\w.-]{1,64}$/.test(tag)) return 'savevm wants a name, as in savevm before\n'
    if (!this.kept.has(tag) && this.kept.size >= MOST_SNAPSHOTS)
      return `there are ${MOST_SNAPSHOTS} snapshots; forget one by delvm\n`
    const { machine, hands } = this
    const kept = {
      state: machine.save(),
      holder: hands.save(),
      ns: machine.now(),
      instructions: machine.instructions(),
    }
    const files = filesOf(kept.state)
    hands.files('kept', files)
    hands.files('stood-on', files)
    const before = this.kept.get(tag)
    if (before) hands.files('forgotten', filesOf(before.state))
    this.kept.set(tag, kept)
    return ''
  }

  goBack(tag: string): string {
    const kept = this.kept.get(tag)
    if (!kept) return `there is no snapshot '${tag}'; 'info snapshots' lists them\n`
    this.machine.load(kept.state)
    this.hands.load(kept.holder)
    this.hands.files('stood-on', filesOf(kept.state))
    if (this.machine.debugTarget) this.machine.debugTarget.touched = true
    return ''
  }

  forget(tag: string): string {
    const kept = this.kept.get(tag)
    if (!kept) return `there is no snapshot '${tag}'\n`
    this.kept.delete(tag)
    this.hands.files('forgotten', filesOf(kept.state))
    return ''
  }

  snapshots(): string {
    const lines = [...this.kept].map(
      ([tag, { ns, instructions }]) => `${tag.padEnd(24)}${(ns / 1e9).toFixed(3)} s, ${instructions} instructions\n`,
    )
    return lines.join('') || 'there is no snapshot; savevm TAG keeps one\n'
  }

  logItems(items: string): string {
    const { log } = this.machine
    if (items === '' || items === 'help') return logHelp()
    if (!log) return 'this machine has no log\n'
    return this.quiet(() => log.set(itemsOf(items)))
  }
}

/** What a person asked for and cannot have; one sentence. */
class MonitorError extends Error {}

const ONE_SENTENCE = [SnapshotError, LogError, MonitorError, BreakpointError, ExpressionError]

function unknown(text: string): string {
  const names = [...COMMANDS.flatMap(({ names }) => names), ...monitorNames()]
  const words = text.split(' ').slice(0, text.startsWith('info ') ? 2 : 1)
  const near = nearest(words.join(' '), names)
  return `there is no monitor command '${text.slice(0, 80)}'; ${near ? `did you mean '${near}'? ` : ''}'help' lists them\n`
}
