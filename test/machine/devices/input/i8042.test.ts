import { beforeEach, describe, expect, test } from 'vitest'
import { ManualClock } from '../../../../machine/clock.js'
import { I8042 } from '../../../../machine/devices/input/i8042.js'
import { Ps2Keyboard } from '../../../../machine/devices/input/ps2-keyboard.js'
import { Ps2Mouse } from '../../../../machine/devices/input/ps2-mouse.js'
import { loadState, saveState } from '../../../../machine/state/state-table.js'

class Bench {
  readonly keyboard = new Ps2Keyboard()
  readonly mouse = new Ps2Mouse()
  irq1 = false
  irq12 = false
  edges1 = 0
  edges12 = 0
  a20 = true
  resets = 0
  warnings: string[] = []
  readonly controller: I8042

  constructor(clock?: ManualClock) {
    this.controller = new I8042({
      keyboard: this.keyboard,
      mouse: this.mouse,
      irq1: (level) => {
        if (level && !this.irq1) this.edges1++
        this.irq1 = level
      },
      irq12: (level) => {
        if (level && !this.irq12) this.edges12++
        this.irq12 = level
      },
      setA20: (enabled) => {
        this.a20 = enabled
      },
      getA20: () => this.a20,
      reset: () => {
        this.resets++
      },
      warn: (what) => this.warnings.push(what),
      clock,
    })
  }

  in(port: number): number {
    return this.controller.ports[port === 0x60 ? 0 : 1].read(0, 1)
  }

  out(port: number, value: number): void {
    this.controller.ports[port === 0x60 ? 0 : 1].write(0, value, 1)
  }

  /** Command, its bytes, and everything that comes back. */
  command(command: number, ...data: number[]): number[] {
    this.out(0x64, command)
    for (const byte of data) this.out(0x60, byte)
    return this.drain()
  }

  drain(): number[] {
    const bytes: number[] = []
    while (this.in(0x64) & 1 && bytes.length < 100) bytes.push(this.in(0x60))
    return bytes
  }

  tap(code: string): number[] {
    this.keyboard.key({ code, down: true })
    this.keyboard.key({ code, down: false })
    return this.drain()
  }
}

let bench: Bench
beforeEach(() => {
  bench = new Bench()
})

describe('controller commands', () => {
  test('self test answers 55 and sets the system flag', () => {
    expect(bench.in(0x64)).toBe(0x18)
    bench.out(0x64, 0xaa)
    expect(bench.in(0x64)).toBe(0x1d)
    expect(bench.in(0x60)).toBe(0x55)
    expect(bench.in(0x64)).toBe(0x1c)
  })

  test('the system flag follows the command byte both ways', () => {
    bench.command(0xaa)
    bench.command(0x60, 0x61)
    expect(bench.in(0x64) & 4).toBe(0)
    bench.command(0x60, 0x65)
    expect(bench.in(0x64) & 4).toBe(4)
  })

  test('the status tells a command from data', () => {
    bench.out(0x64, 0xae)
    expect(bench.in(0x64) & 8).toBe(8)
    bench.out(0x60, 0xee)
    expect(bench.in(0x64) & 8).toBe(0)
  })

  test('the command byte is written and read', () => {
    expect(bench.command(0x20)).toEqual([0x03])
    bench.command(0x60, 0x47)
    expect(bench.command(0x20)).toEqual([0x47])
  })

  test('all 32 bytes of the RAM keep their value', () => {
    for (let i = 1; i < 32; i++) bench.command(0x60 + i, 0x80 + i)
    for (let i = 1; i < 32; i++) expect(bench.command(0x20 + i)).toEqual([0x80 + i])
    expect(bench.command(0x20)).toEqual([0x03])
  })

  test('interface tests, password test and input port', () => {
    expect(bench.command(0xa9)).toEqual([0])
    expect(bench.command(0xab)).toEqual([0])
    expect(bench.command(0xa4)).toEqual([0xf1])
    expect(bench.command(0xc0)).toEqual([0x80])
  })

  test('A7, A8, AD and AE switch the ports in the command byte', () => {
    bench.command(0xa7)
    bench.command(0xad)
    expect(bench.command(0x20)).toEqual([0x33])
    bench.command(0xa8)
    bench.command(0xae)
    expect(bench.command(0x20)).toEqual([0x03])
  })

  test('D2 and D3 loop a byte back as from keyboard and mouse', () => {
    bench.out(0x64, 0xd2)
    bench.out(0x60, 0x42)
    expect(bench.in(0x64) & 0x21).toBe(0x01)
    expect(bench.irq1).toBe(true)
    expect(bench.in(0x60)).toBe(0x42)
    bench.out(0x64, 0xd3)
    bench.out(0x60, 0x43)
    expect(bench.in(0x64) & 0x21).toBe(0x21)
    expect([bench.irq1, bench.irq12]).toEqual([false, true])
    expect(bench.in(0x60)).toBe(0x43)
  })

  test('the output port shows and drives A20', () => {
    expect(bench.command(0xd0)[0]).toBe(0xcf)
    bench.command(0xd1, 0xdd)
    expect(bench.a20).toBe(false)
    expect(bench.command(0xd0)[0] & 2).toBe(0)
    bench.command(0xdf)
    expect(bench.a20).toBe(true)
    bench.command(0xdd)
    expect(bench.a20).toBe(false)
    // Someone else (port 92) opened it.
    bench.a20 = true
    expect(bench.command(0xd0)[0] & 2).toBe(2)
  })

  test('the output port tells that the buffer was full', () => {
    bench.keyboard.key({ code: 'KeyA', down: true })
    bench.out(0x64, 0xd0)
    expect(bench.in(0x60)).toBe(0x1c)
    expect(bench.in(0x60)).toBe(0xdf)
  })

  test('FE and every pulse of line 0 reset, other lines do not', () => {
    bench.out(0x64, 0xfe)
    bench.out(0x64, 0xf0)
    expect(bench.resets).toBe(2)
    bench.out(0x64, 0xff)
    bench.out(0x64, 0xf1)
    expect(bench.resets).toBe(2)
    bench.command(0xd1, 0x02)
    expect(bench.resets).toBe(3)
  })

  test('C1 and C2 show the input port in the status until the next write', () => {
    bench.out(0x64, 0xc2)
    expect(bench.in(0x64) & 0xf0).toBe(0x80)
    bench.out(0x64, 0xc1)
    expect(bench.in(0x64) & 0xf0).toBe(0x00)
    bench.out(0x64, 0xae)
    expect(bench.in(0x64) & 0xf0).toBe(0x10)
  })

  test('E0 shows the keyboard lines', () => {
    expect(bench.command(0xe0)).toEqual([3])
    bench.command(0xad)
    expect(bench.command(0xe0)).toEqual([2])
  })

  test('an unknown command is warned of and answers nothing', () => {
    expect(bench.command(0xb5)).toEqual([])
    expect(bench.warnings).toHaveLength(1)
    expect(bench.command(0xaa)).toEqual([0x55])
  })
})

describe('keyboard port', () => {
  test('codes come as set 2 without translation, as set 1 with it', () => {
    expect(bench.tap('KeyA')).toEqual([0x1c, 0xf0, 0x1c])
    bench.command(0x60, 0x43)
    expect(bench.tap('KeyA')).toEqual([0x1e, 0x9e])
    expect(bench.tap('ArrowUp')).toEqual([0xe0, 0x48, 0xe0, 0xc8])
    expect(bench.tap('F7')).toEqual([0x41, 0xc1])
    expect(bench.tap('Pause')).toEqual([0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5])
    expect(bench.tap('PrintScreen')).toEqual([0xe0, 0x2a, 0xe0, 0x37, 0xe0, 0xb7, 0xe0, 0xaa])
  })

  test('translation turns the id AB 83 into AB 41 and the set number 2 into 41', () => {
    bench.command(0x60, 0x43)
    bench.out(0x60, 0xf2)
    expect(bench.drain()).toEqual([0xfa, 0xab, 0x41])
    bench.out(0x60, 0xf0)
    expect(bench.drain()).toEqual([0xfa])
    bench.out(0x60, 0)
    expect(bench.drain()).toEqual([0xfa, 0x41])
  })

  test('one edge on IRQ 1 a byte, as an 8259 wants it', () => {
    bench.keyboard.key({ code: 'ArrowUp', down: true })
    expect([bench.irq1, bench.edges1]).toEqual([true, 1])
    bench.in(0x60)
    expect([bench.irq1, bench.edges1]).toEqual([true, 2])
    bench.in(0x60)
    expect([bench.irq1, bench.edges1]).toEqual([false, 2])
  })

  test('no interrupt when the command byte says so, until it says otherwise', () => {
    bench.command(0x60, 0x00)
    bench.keyboard.key({ code: 'KeyA', down: true })
    expect(bench.irq1).toBe(false)
    bench.out(0x64, 0x60)
    bench.out(0x60, 0x01)
    expect(bench.irq1).toBe(true)
  })

  test('a disabled keyboard keeps its codes', () => {
    bench.command(0xad)
    bench.keyboard.key({ code: 'KeyA', down: true })
    expect(bench.in(0x64) & 1).toBe(0)
    bench.out(0x64, 0xae)
    expect(bench.drain()).toEqual([0x1c])
  })

  test('a byte for the keyboard enables its port', () => {
    bench.command(0xad)
    bench.out(0x60, 0xee)
    expect(bench.drain()).toEqual([0xee])
    expect(bench.command(0x20)).toEqual([0x03])
  })

  test('a reply comes behind the code in the output buffer and before those that wait in the keyboard', () => {
    bench.keyboard.key({ code: 'KeyA', down: true })
    bench.keyboard.key({ code: 'KeyB', down: true })
    bench.out(0x60, 0xf2)
    expect(bench.drain()).toEqual([0x1c, 0xfa, 0xab, 0x83, 0x32])
  })

  test('a code in the output buffer is as it was translated when it came, and survives a command', () => {
    bench.command(0x60, 0x43)
    bench.keyboard.key({ code: 'KeyA', down: true })
    bench.out(0x64, 0x60)
    bench.out(0x60, 0x03)
    bench.out(0x64, 0x20)
    expect(bench.drain()).toEqual([0x1e, 0x03])
  })

  test('an answer of the controller survives a second command', () => {
    bench.out(0x64, 0xaa)
    bench.out(0x64, 0x20)
    expect(bench.drain()).toEqual([0x55, 0x03])
  })

  test('reading an empty buffer gives the last byte again', () => {
    bench.tap('KeyA')
    expect(bench.in(0x60)).toBe(0x1c)
    expect(bench.in(0x60)).toBe(0x1c)
  })
})

describe('mouse port', () => {
  test('D4 sends a byte to the mouse, whose answer is marked', () => {
    bench.out(0x64, 0xd4)
    bench.out(0x60, 0xff)
    expect(bench.in(0x64) & 0x21).toBe(0x21)
    expect(bench.irq12).toBe(true)
    expect(bench.drain()).toEqual([0xfa, 0xaa, 0x00])
    expect([bench.irq12, bench.edges12, bench.edges1]).toEqual([false, 3, 0])
  })

  test('the keyboard goes first, and its IRQ and the mouse’s are told apart', () => {
    bench.command(0xd4, 0xf4)
    bench.command(0xad)
    bench.command(0xa7)
    bench.mouse.move({ dx: 1, dy: 0, dz: 0, buttons: 0 })
    bench.keyboard.key({ code: 'KeyA', down: true })
    bench.out(0x64, 0xa8)
    expect(bench.in(0x64) & 0x21).toBe(0x21)
    // What is in the buffer stays; the keyboard is next.
    bench.out(0x64, 0xae)
    expect(bench.in(0x60)).toBe(0x08)
    expect(bench.in(0x64) & 0x21).toBe(0x01)
    expect(bench.drain()).toEqual([0x1c, 0x01, 0x00])
  })

  test('keyboard and mouse take turns, so neither starves', () => {
    bench.command(0xd4, 0xf4)
    bench.mouse.move({ dx: 1, dy: 0, dz: 0, buttons: 0 })
    for (let i = 0; i < 3; i++) bench.keyboard.key({ code: 'KeyA', down: true })
    expect(bench.drain()).toEqual([0x08, 0x1c, 0x01, 0x1c, 0x00, 0x1c])
  })

  test('mouse bytes are never translated', () => {
    bench.command(0x60, 0x43)
    bench.command(0xd4, 0xf4)
    bench.mouse.move({ dx: 0x1c, dy: -0x1c, dz: 0, buttons: 1 })
    expect(bench.drain()).toEqual([0x09, 0x1c, 0x1c])
  })
})

describe('pacing', () => {
  test('with a clock the next keyboard byte comes a millisecond after the last was read', () => {
    const clock = new ManualClock()
    bench = new Bench(clock)
    bench.keyboard.key({ code: 'ArrowUp', down: true })
    expect(bench.in(0x60)).toBe(0xe0)
    // The BIOS's handler reads again and must find the same byte.
    expect(bench.in(0x60)).toBe(0xe0)
    clock.advance(999_999)
    expect(bench.irq1).toBe(false)
    clock.advance(1)
    expect(bench.irq1).toBe(true)
    expect(bench.in(0x60)).toBe(0x75)
    expect(bench.keyboard.pending()).toBe(0)
  })
})

describe('state', () => {
  test('a restore in mid-operation continues the same', () => {
    const prepare = (clock: ManualClock) => {
      const b = new Bench(clock)
      b.command(0x60, 0x47)
      b.command(0xd4, 0xf4)
      b.keyboard.key({ code: 'ArrowUp', down: true })
      b.keyboard.key({ code: 'ArrowUp', down: false })
      b.mouse.move({ dx: 300, dy: 5, dz: 0, buttons: 2 })
      b.in(0x60)
      b.out(0x64, 0xd1)
      return b
    }
    const finish = (b: Bench, clock: ManualClock) => {
      const seen: (number | boolean)[] = []
      b.out(0x60, 0xdf)
      for (let i = 0; i < 20; i++) {
        seen.push(b.in(0x64), b.irq1, b.irq12, b.in(0x60))
        clock.advance(300_000)
      }
      return [...seen, b.a20]
    }
    const clock1 = new ManualClock()
    const original = prepare(clock1)
    const state = structuredClone(saveState(original.controller))
    const clock2 = new ManualClock()
    const copy = new Bench(clock2)
    loadState(copy.controller, state)
    expect(saveState(copy.controller)).toEqual(state)
    expect(finish(copy, clock2)).toEqual(finish(original, clock1))
  })

  test('reset forgets everything and opens A20', () => {
    bench.command(0x60, 0x74)
    bench.command(0xdd)
    bench.keyboard.key({ code: 'KeyA', down: true })
    bench.out(0x64, 0xd4)
    bench.controller.reset()
    expect(bench.in(0x64)).toBe(0x18)
    expect([bench.irq1, bench.a20]).toEqual([false, true])
    bench.out(0x60, 0xee)
    expect(bench.drain()).toEqual([0xee])
  })
})
