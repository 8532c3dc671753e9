/** What a person did with a guest, as the statements of a test. */
import type { Frame } from '../../machine/devices/display/display.js'
import type { Area } from '../picture/compare-pictures.js'
import type { KeyNote } from './recorded-keys.js'

/** A needle to be written beside the test. */
export interface RecordedNeedle {
  name: string
  frame: Frame
  area: Area
}

type Statement =
  | { kind: 'type'; text: string }
  | { kind: 'wait' | 'do' | 'assert'; code: string }
  | { kind: 'needle'; needle: RecordedNeedle }

export class Recording {
  private readonly statements: Statement[] = []
  private needleCount = 0

  /** @param needlePrefix Of the names of its needles. */
  constructor(private readonly needlePrefix: string) {}

  /** The guest may answer what was done last: a test that goes on should wait for that. */
  get awaitsAnswer(): boolean {
    const last = this.statements.at(-1)
    return last?.kind !== 'type' || last.text.endsWith('\n')
  }

  key(note: KeyNote): void {
    if ('pressed' in note) {
      this.do(`await vm.keyboard.press(${quote(note.pressed)})`)
      return
    }
    const last = this.statements.at(-1)
    if (last?.kind === 'type' && !last.text.endsWith('\n')) last.text += note.typed
    else if (note.typed === '\n') this.do("await vm.keyboard.press('Enter')")
    else this.statements.push({ kind: 'type', text: note.typed })
  }

  do(code: string): void {
    this.statements.push({ kind: 'do', code })
  }

  /** The last statement becomes another one, as a click becomes a double click. */
  redo(code: string): void {
    this.statements.pop()
    this.do(code)
  }

  /** @param pattern undefined: until nothing moves. @param timeout Where the usual one is too short. */
  wait(pattern: RegExp | undefined, timeout?: string): void {
    const options = timeout === undefined ? '' : `{ timeout: ${quote(timeout)} }`
    const code = pattern
      ? `await expect(vm.screen).toHaveText(${[literal(pattern), options].filter(Boolean).join(', ')})`
      : `await vm.screen.waitForStill(${options && `'1s', ${options}`})`
    const last = this.statements.at(-1)
    if (last && 'code' in last && last.code === code) return
    this.statements.push({ kind: 'wait', code })
  }

  /** A time for what no text tells. On the soft engine the guest does the same in it each time. @param ns guest time */
  pause(ns: number): void {
    this.statements.push({ kind: 'wait', code: `await vm.wait('${Math.ceil(ns / 1e8) / 10}s')` })
  }

  assert(code: string): void {
    this.statements.push({ kind: 'assert', code })
  }

  /** Returns its name. */
  needle(frame: Frame, area: Area): string {
    const name = `${this.needlePrefix}-${++this.needleCount}`
    this.statements.push({ kind: 'needle', needle: { name, frame, area } })
    return name
  }

  /** Takes the last statement back; what the guest did with it stays. */
  undo(): void {
    this.statements.pop()
  }

  needles(): RecordedNeedle[] {
    return this.statements.flatMap((statement) => (statement.kind === 'needle' ? [statement.needle] : []))
  }

  lines(): string[] {
    return this.statements.map((statement) => {
      if (statement.kind === 'type') return `await vm.keyboard.type(${quote(statement.text)})`
      if (statement.kind === 'needle') return `await expect(vm.screen).toMatchNeedle(${quote(statement.needle.name)})`
      return statement.code
    })
  }
}

/** A string as the formatter of most projects has it. */
export function quote(text: string): string {
  const inner = JSON.stringify(text).slice(1, -1)
  if (text.includes("'") && !text.includes('"')) return `"${inner}"`
  return `'${inner.replaceAll('\\"', '"').replaceAll("'", "\\'")}'`
}

/** Text conditions match row by row by themselves. */
export function literal(pattern: RegExp): string {
  return `/${pattern.source}/`
}
