/**
 * A machine whose guest is a list of things that happen at guest times: for tests of the runner and of the thread around
 * it. As a module for a worker, `?scenario=NAME` in its URL says which guest it runs.
 */
import { EngineUnavailableError } from '../../machine/cpu/create-engine.js'
import type { Display, DisplayMode, Frame, TextScreen } from '../../machine/devices/display/display.js'
import type { KeyEvent, MouseEvent } from '../../machine/devices/input/events.js'
import type { BiosKeys } from '../../machine/firmware/bios-keyboard.js'
import type { InputEvent, InputQueue } from '../../machine/input.js'
import type { Machine, MachineExit, MachineOptions } from '../../machine/machine.js'
import type { MachineReport } from '../../machine/report.js'

export const MS = 1e6

/** Happens at guest time `at`, in ms. */
export interface Happening {
  at: number
  // biome-ignore lint/suspicious/noConfusingVoidType: most happenings return nothing
  does: (machine: FakeMachine) => MachineExit | undefined | void
}

export interface FakeOptions {
  happenings?: readonly Happening[]
  /** Guest time that the guest takes for a byte from the keyboard; Infinity: it never fetches one. */
  fetchMs?: number
  /** The buffer of the guest's BIOS. */
  biosKeys?: (machine: FakeMachine) => BiosKeys
  /** What the guest does with a key. */
  onKey?: (machine: FakeMachine, event: KeyEvent) => MachineExit | undefined
  /** It goes round a loop for ever. */
  isStuck?: (machine: FakeMachine) => string | undefined
  onSerialInput?: (machine: FakeMachine, text: string) => void
  /** Host time that 1 ms of guest time takes, in ms. */
  hostPerGuest?: number
}

export class FakeMachine implements Machine {
  readonly engine = 'soft' as const
  readonly engineReason = 'a fake'
  readonly display: FakeDisplay
  /** Every key event with its guest time in ms. */
  readonly keys: (KeyEvent & { at: number })[] = []
  readonly mouseEvents: MouseEvent[] = []
  /** How far each call of run() was let go, ns. */
  readonly slices: number[] = []
  closed = false
  private time = 0
  private waiting: Happening[]
  private queue: KeyEvent[] = []
  private fetchAt = Number.POSITIVE_INFINITY
  private over: MachineExit | undefined
  private stopRequested = false

  constructor(
    private readonly options: FakeOptions,
    private readonly callbacks: Pick<MachineOptions, 'onSerial' | 'onDebug'> = {},
  ) {
    this.display = new FakeDisplay()
    this.waiting = [...(options.happenings ?? [])].sort((a, b) => a.at - b.at)
  }

  now(): number {
    return this.time
  }

  instructions(): number {
    return this.time / 10
  }

  run(until: number): MachineExit | undefined {
    if (this.over) return this.over
    this.slices.push(until)
    this.stopRequested = false
    const from = this.time
    while (!this.stopRequested) {
      const next = this.waiting[0]
      const at = Math.min(next ? next.at * MS : Number.POSITIVE_INFINITY, this.fetchAt)
      if (at > until) {
        this.time = Math.max(this.time, until)
        break
      }
      this.time = Math.max(this.time, at)
      const exit = this.fetchAt <= this.time ? this.fetch() : (this.waiting.shift()?.does(this) ?? undefined)
      if (!exit) continue
      if (exit.reason === 'triple-fault' || exit.reason === 'reset') this.display.off()
      else this.over = exit
      return exit
    }
    const end = performance.now() + ((this.time - from) / MS) * (this.options.hostPerGuest ?? 0)
    while (performance.now() < end);
    return undefined
  }

  requestStop(): void {
    this.stopRequested = true
  }

  input(event: InputEvent): void {
    switch (event.kind) {
      case 'key':
        this.key(event)
        break
      case 'mouse':
        this.mouseEvents.push(event)
        break
      case 'serial':
        this.options.onSerialInput?.(this, new TextDecoder().decode(event.bytes))
        break
      case 'power-button':
        this.waiting.unshift({ at: this.time / MS + 1, does: () => ({ reason: 'poweroff' }) })
    }
  }

  private key({ code, down }: KeyEvent): void {
    const event = { code, down }
    this.keys.push({ ...event, at: this.time / MS })
    this.queue.push(event)
    if (this.queue.length === 1) this.fetchAt = this.time + (this.options.fetchMs ?? 0.1) * MS
  }

  pending(queue: InputQueue): number {
    return queue === 'keyboard' ? this.queue.length : 0
  }

  biosKeys(): BiosKeys | undefined {
    return this.options.biosKeys?.(this)
  }

  private fetch(): MachineExit | undefined {
    const event = this.queue.shift() as KeyEvent
    this.fetchAt = this.queue.length > 0 ? this.time + (this.options.fetchMs ?? 0.1) * MS : Number.POSITIVE_INFINITY
    return this.options.onKey?.(this, event)
  }

  /** The guest sends text over a serial line. */
  send(text: string, port = 0): void {
    for (const byte of new TextEncoder().encode(text)) this.sendByte(byte, port)
  }

  /** As a UART does: the byte after a requestStop() is not sent before the next run. */
  sendByte(byte: number, port = 0): void {
    this.callbacks.onSerial?.(port, byte)
  }

  debug(text: string): void {
    for (const byte of new TextEncoder().encode(text)) this.callbacks.onDebug?.(byte)
  }

  insert(): void {}

  suspectStuck(): void {}

  isStuck(): string | undefined {
    return this.options.isStuck?.(this)
  }

  requests(): [] {
    return []
  }

  report(): MachineReport {
    return {
      unhandled: [{ kind: 'port', address: 0x388, name: 'AdLib', reads: 2, writes: 1 }],
      warnings: [{ text: 'a register that this fake lacks', address: 0x12, count: 3 }],
      lastIo: [{ kind: 'read', port: 0x64, name: '8042', size: 1, value: 0x1c, times: 12 }],
      faults: [{ vector: 14, errorCode: 2, cs: 8, ip: '0x1000', cr2: '0xdead0000', instructions: 5 }],
      registers: 'EIP 0000FFF0',
      backtraces: [],
      mouse: true,
    }
  }

  save(): never {
    throw new Error('the fake machine has no snapshots')
  }

  fingerprint(): never {
    throw new Error('the fake machine has no snapshots')
  }

  shape(): never {
    throw new Error('the fake machine has no snapshots')
  }

  load(): never {
    throw new Error('the fake machine has no snapshots')
  }

  close(): void {
    this.closed = true
  }
}

export class FakeDisplay implements Display {
  private generations = 0
  private screen: TextScreen | undefined
  private picture: Frame = { width: 2, height: 1, data: new Uint8Array(8) }
  private kind: DisplayMode['kind'] = 'off'

  /** Shows rows of text on 20 columns. */
  show(...rows: string[]): void {
    const [columns, count] = [20, 4]
    const cells = Array.from({ length: columns * count }, (_, i) => ({
      code: rows[Math.floor(i / columns)]?.charCodeAt(i % columns) || 0x20,
      foreground: 7,
      background: 0,
      blink: false,
    }))
    this.screen = { columns, rows: count, cells, cursor: { column: 0, row: 0 } }
    this.kind = 'text'
    this.generations++
  }

  /** Shows two grey pixels. */
  paint(grey: number): void {
    this.screen = undefined
    this.kind = 'graphics'
    this.picture = { width: 2, height: 1, data: Uint8Array.of(grey, grey, grey, 255, grey, grey, grey, 255) }
    this.generations++
  }

  /** Something may have changed, and has not. */
  touch(): void {
    this.generations++
  }

  off(): void {
    this.screen = undefined
    this.kind = 'off'
    this.generations++
  }

  mode(): DisplayMode {
    const { screen, kind } = this
    if (screen) return { kind, width: 160, height: 64, columns: screen.columns, rows: screen.rows, depth: 0 }
    return { kind, width: this.picture.width, height: this.picture.height, columns: 0, rows: 0, depth: 32 }
  }

  frame(): Frame {
    return this.picture
  }

  text(): TextScreen | undefined {
    return this.screen
  }

  generation(): number {
    return this.generations
  }
}

/** Guests for the tests of the thread. */
const SCENARIOS: { readonly [name: string]: FakeOptions } = {
  /** Says hello on COM1 and on the screen after 100 ms, and powers off after a second. */
  hello: {
    happenings: [
      {
        at: 100,
        does: (machine) => {
          machine.display.show('hello')
          machine.send('hello\n')
          machine.debug('debug')
        },
      },
      { at: 1000, does: () => ({ reason: 'poweroff' }) },
    ],
  },
  /** Runs for ever, as fast in guest time as in host time. */
  idle: {
    hostPerGuest: 1,
    onSerialInput: (machine, text) => {
      machine.send(`got ${text}`)
    },
  },
  /** A login and a shell on COM1, as a terminal sees them: what is typed is echoed, lines end in CR LF. */
  shell: { happenings: [{ at: 10, does: (machine) => machine.send('\r\nmy login: ') }], onSerialInput: posixShell() },
  /** Shows text, takes it away again after a second, and stops in a triple fault after ten. */
  panic: {
    happenings: [
      { at: 100, does: (machine) => machine.display.show('starting') },
      { at: 1100, does: (machine) => machine.display.show('ready') },
      { at: 10_000, does: () => ({ reason: 'triple-fault', detail: 'no handler' }) },
    ],
  },
  /** Two grey pixels, lighter after a second. */
  picture: {
    happenings: [
      { at: 100, does: (machine) => machine.display.paint(10) },
      { at: 1000, does: (machine) => machine.display.paint(200) },
    ],
  },
  debugExit: { happenings: [{ at: 100, does: () => ({ reason: 'debug-exit', code: 3 }) }] },
  /** Never comes back from a slice. */
  stuck: {
    happenings: [
      { at: 1, does: (machine) => machine.send('stuck soon\n') },
      {
        at: 100,
        does: () => {
          for (;;);
        },
      },
    ],
  },
  broken: {
    happenings: [
      {
        at: 1,
        does: () => {
          throw new TypeError('the device is broken')
        },
      },
    ],
  },
}

/** Just enough of one: a login with a password, echo, true, false, lists of commands, one variable and eval. */
function posixShell(): NonNullable<FakeOptions['onSerialInput']> {
  let [line, state, variable] = ['', 'login', '']
  const enter = (command: string): string => {
    if (state === 'login') {
      state = command === '' ? 'login' : 'password'
      return command === '' ? 'my login: ' : 'Password: '
    }
    if (state === 'password') {
      state = command === 'secret' ? 'shell' : 'login'
      return state === 'shell' ? '# ' : 'Login incorrect\r\nmy login: '
    }
    const assignment = /^bw_command=(\$bw_command)?'(.*)'$/.exec(command)
    if (assignment) {
      variable = (assignment[1] ? variable : '') + assignment[2]
      return '# '
    }
    if (command.includes("eval 'sleep")) return ''
    let [output, code] = ['', 0]
    const evaluated = command.replace('eval "$bw_command";', () => `${variable};`).replace(/eval '(.*)';/, '$1;')
    for (const part of evaluated.split('; ')) {
      const [word, ...rest] = part.split(' ')
      if (word === 'echo') output += `${rest.join(' ').replaceAll("''", '').replace('$?', String(code))}\r\n`
      code = ['echo', 'true', ''].includes(word) ? 0 : word === 'false' ? 1 : 127
    }
    return `${output}# `
  }
  return (machine, text) => {
    for (const character of text) {
      if (character !== '\r') {
        line += character
        if (state !== 'password') machine.send(character)
        continue
      }
      const answer = enter(line)
      line = ''
      machine.send(`\r\n${answer}`)
    }
  }
}

export function createMachine(options: MachineOptions): Machine {
  const scenario = new URL(import.meta.url).searchParams.get('scenario') ?? 'hello'
  if (scenario === 'no-engine') throw new EngineUnavailableError('The engine is not to be had; use another.')
  return new FakeMachine(SCENARIOS[scenario], options)
}
