import { beforeEach, describe, expect, test } from 'vitest'
import { ManualClock } from '../../../../machine/clock.js'
import { Uart16550 } from '../../../../machine/devices/serial/uart16550.js'
import { loadState, saveState } from '../../../../machine/state/state-table.js'

const [RBR, IER, IIR, LCR, MCR, LSR, MSR, SCR] = [0, 1, 2, 3, 4, 5, 6, 7]
const THR = RBR
const FCR = IIR

class Bench {
  irq = false
  sent: number[] = []
  warnings: string[] = []
  readonly uart: Uart16550

  constructor(readonly clock = new ManualClock()) {
    this.uart = new Uart16550({
      name: 'COM1',
      base: 0x3f8,
      irq: (level) => {
        this.irq = level
      },
      clock,
      output: (byte) => this.sent.push(byte),
      warn: (what) => this.warnings.push(what),
    })
  }

  in(offset: number): number {
    return this.uart.ports[0].read(offset, 1)
  }

  out(offset: number, value: number): void {
    this.uart.ports[0].write(offset, value, 1)
  }

  /** 115200 baud, 8N1: a character takes 86.8 µs. */
  fast(): void {
    this.out(LCR, 0x83)
    this.out(RBR, 1)
    this.out(IER, 0)
    this.out(LCR, 0x03)
  }

  type(text: string): void {
    this.uart.input(new TextEncoder().encode(text))
  }
}

const CHARACTER = 86_806

let bench: Bench
beforeEach(() => {
  bench = new Bench()
})

describe('registers', () => {
  test('power-on values', () => {
    expect([IER, IIR, LCR, MCR, LSR, MSR, SCR].map((r) => bench.in(r))).toEqual([0, 1, 0, 8, 0x60, 0xb0, 0])
  })

  test('DLAB switches to the divisor', () => {
    bench.out(LCR, 0x83)
    expect([bench.in(0), bench.in(1)]).toEqual([12, 0])
    bench.out(0, 0x34)
    bench.out(1, 0x12)
    expect([bench.in(0), bench.in(1)]).toEqual([0x34, 0x12])
    bench.out(LCR, 0x03)
    expect(bench.in(IER)).toBe(0)
    expect(bench.sent).toEqual([])
  })

  test('scratch keeps a byte, IER four bits, MCR five', () => {
    bench.out(SCR, 0xa5)
    bench.out(IER, 0xff)
    bench.out(MCR, 0xff)
    expect([bench.in(SCR), bench.in(IER), bench.in(MCR)]).toEqual([0xa5, 0x0f, 0x1f])
  })

  test('IIR tells a 16550A by its FIFO bits', () => {
    expect(bench.in(IIR) & 0xc0).toBe(0)
    bench.out(FCR, 0xe7)
    expect(bench.in(IIR) & 0xc0).toBe(0xc0)
    bench.out(FCR, 0)
    expect(bench.in(IIR) & 0xc0).toBe(0)
  })

  test('writes to LSR and MSR are warned of and change nothing', () => {
    bench.out(LSR, 0)
    bench.out(MSR, 0)
    expect([bench.in(LSR), bench.in(MSR), bench.warnings.length]).toEqual([0x60, 0xb0, 2])
  })
})

describe('transmitter', () => {
  test('a byte goes out at once, and a polling guest finds the transmitter empty', () => {
    bench.out(THR, 0x41)
    expect(bench.sent).toEqual([0x41])
    expect(bench.in(LSR) & 0x60).toBe(0x60)
  })

  test('the THRE interrupt comes after the write, and reading IIR takes it back', () => {
    bench.out(IER, 0x02)
    expect(bench.irq).toBe(true)
    expect(bench.in(IIR)).toBe(0x02)
    expect(bench.irq).toBe(false)
    bench.out(THR, 0x41)
    expect([bench.irq, bench.in(IIR)]).toEqual([false, 0x01])
    bench.clock.advance(2_000)
    expect(bench.irq).toBe(true)
    bench.out(THR, 0x42)
    expect(bench.irq).toBe(false)
  })

  test('the THRE interrupt comes back when its enable bit is cleared and set', () => {
    bench.out(IER, 0x02)
    bench.in(IIR)
    bench.out(IER, 0x02)
    expect(bench.irq).toBe(false)
    bench.out(IER, 0x00)
    bench.out(IER, 0x02)
    expect(bench.irq).toBe(true)
  })

  test('sixteen bytes of a FIFO driver all go out', () => {
    bench.out(FCR, 0x01)
    for (let i = 0; i < 16; i++) bench.out(THR, i)
    expect(bench.sent).toEqual(Array.from({ length: 16 }, (_, i) => i))
  })
})

describe('receiver', () => {
  test('without FIFO a byte interrupts, and the next waits for it to be read', () => {
    bench.fast()
    bench.out(IER, 0x01)
    bench.type('ab')
    expect(bench.irq).toBe(false)
    bench.clock.advance(CHARACTER)
    expect([bench.irq, bench.in(IIR)]).toEqual([true, 0x04])
    bench.clock.advance(100 * CHARACTER)
    expect(bench.in(RBR)).toBe(0x61)
    expect([bench.irq, bench.in(LSR)]).toEqual([false, 0x60])
    bench.clock.advance(CHARACTER)
    expect(bench.in(RBR)).toBe(0x62)
    expect(bench.uart.pending()).toBe(0)
  })

  test('bytes come at the programmed rate', () => {
    bench.out(LCR, 0x83)
    bench.out(0, 12)
    bench.out(LCR, 0x1f) // 8 bits, parity, 2 stop bits: 12 bits at 9600 baud
    bench.type('a')
    bench.clock.advance(1_249_999)
    expect(bench.in(LSR) & 1).toBe(0)
    bench.clock.advance(1)
    expect(bench.in(LSR) & 1).toBe(1)
  })

  test('a FIFO interrupts at its trigger level', () => {
    bench.fast()
    bench.out(FCR, 0x81)
    bench.out(IER, 0x01)
    bench.type('12345678')
    bench.clock.advance(7 * CHARACTER)
    expect(bench.irq).toBe(false)
    bench.clock.advance(CHARACTER)
    expect([bench.irq, bench.in(IIR)]).toEqual([true, 0xc4])
    bench.in(RBR)
    expect(bench.irq).toBe(false)
  })

  test('below the trigger level the time-out interrupts after four characters', () => {
    bench.fast()
    bench.out(FCR, 0xc1)
    bench.out(IER, 0x01)
    bench.type('xy')
    bench.clock.advance(2 * CHARACTER)
    bench.clock.advance(4 * CHARACTER - 1)
    expect(bench.irq).toBe(false)
    bench.clock.advance(1)
    expect([bench.irq, bench.in(IIR)]).toEqual([true, 0xcc])
    expect(bench.in(RBR)).toBe(0x78)
    expect(bench.irq).toBe(false)
    // The rest times out again.
    bench.clock.advance(4 * CHARACTER)
    expect([bench.irq, bench.in(RBR), bench.irq]).toEqual([true, 0x79, false])
    bench.clock.advance(10 * CHARACTER)
    expect(bench.irq).toBe(false)
  })

  test('a guest that does not read loses nothing', () => {
    bench.fast()
    bench.out(FCR, 0x01)
    const text = 'the quick brown fox jumps over the lazy dog'
    bench.type(text.slice(0, 20))
    bench.type(text.slice(20))
    bench.clock.advance(1000 * CHARACTER)
    expect(bench.uart.pending()).toBe(text.length)
    let got = ''
    for (let i = 0; i < 200; i++) {
      while (bench.in(LSR) & 1) got += String.fromCharCode(bench.in(RBR))
      bench.clock.advance(CHARACTER)
    }
    expect(got).toBe(text)
    expect(bench.in(LSR) & 0x02).toBe(0)
  })

  test('clearing the FIFO drops what is in it, not what is on its way', () => {
    bench.fast()
    bench.out(FCR, 0x01)
    bench.type('abc')
    bench.clock.advance(2 * CHARACTER)
    bench.out(FCR, 0x03)
    expect(bench.in(LSR) & 1).toBe(0)
    bench.clock.advance(CHARACTER)
    expect(bench.in(RBR)).toBe(0x63)
  })

  test('reading an empty FIFO gives 0', () => {
    bench.out(FCR, 0x01)
    expect(bench.in(RBR)).toBe(0)
  })
})

describe('interrupt priority', () => {
  test('line status, then data, then THRE', () => {
    bench.out(MCR, 0x10)
    bench.out(IER, 0x0f)
    bench.out(THR, 1)
    bench.out(THR, 2)
    bench.clock.advance(2_000)
    expect(bench.in(IIR)).toBe(0x06)
    expect(bench.in(LSR) & 0x02).toBe(0x02)
    expect(bench.in(IIR)).toBe(0x04)
    bench.in(RBR)
    expect(bench.in(IIR)).toBe(0x02)
    expect(bench.in(IIR)).toBe(0x01)
  })
})

describe('loopback', () => {
  test('bytes come back and nothing goes out', () => {
    bench.out(MCR, 0x10)
    bench.out(THR, 0x5a)
    expect([bench.in(LSR) & 1, bench.in(RBR), bench.sent.length]).toEqual([1, 0x5a, 0])
  })

  test('modem control shows in modem status', () => {
    for (const [mcr, msr] of [
      [0x10, 0x00],
      [0x11, 0x20],
      [0x12, 0x10],
      [0x14, 0x40],
      [0x18, 0x80],
      [0x1a, 0x90],
    ]) {
      bench.out(MCR, mcr)
      expect(bench.in(MSR) & 0xf0).toBe(msr)
    }
  })

  test('a full FIFO keeps its bytes and reports the overrun', () => {
    bench.out(FCR, 0x01)
    bench.out(MCR, 0x10)
    for (let i = 0; i < 17; i++) bench.out(THR, i)
    expect(bench.in(LSR) & 0x02).toBe(0x02)
    expect(bench.in(LSR) & 0x02).toBe(0)
    for (let i = 0; i < 16; i++) expect(bench.in(RBR)).toBe(i)
    expect(bench.in(LSR) & 1).toBe(0)
  })

  test('input from outside waits for its end', () => {
    bench.fast()
    bench.out(MCR, 0x10)
    bench.type('a')
    bench.clock.advance(10 * CHARACTER)
    expect(bench.in(LSR) & 1).toBe(0)
    bench.out(MCR, 0x00)
    bench.clock.advance(CHARACTER)
    expect(bench.in(RBR)).toBe(0x61)
  })
})

describe('state', () => {
  test('a restore in mid-operation continues the same', () => {
    bench.fast()
    bench.out(FCR, 0x81)
    bench.out(IER, 0x03)
    bench.in(IIR)
    bench.type('hello world, this is a long line')
    bench.clock.advance(5 * CHARACTER + 1000)
    bench.out(THR, 0x41)
    const copy = new Bench()
    copy.clock.advance(bench.clock.now())
    loadState(copy.uart, structuredClone(saveState(bench.uart)))
    const trace = (b: Bench) => {
      const seen: (number | boolean)[] = []
      for (let i = 0; i < 60; i++) {
        b.clock.advance(50_000)
        seen.push(b.irq, b.in(IIR), b.in(LSR))
        if (i % 3 === 0) seen.push(b.in(RBR))
      }
      return seen
    }
    expect(copy.irq).toBe(bench.irq)
    expect(trace(copy)).toEqual(trace(bench))
  })

  test('reset brings the registers back, and input on its way still arrives', () => {
    bench.fast()
    bench.out(IER, 0x0f)
    bench.out(FCR, 0x01)
    bench.type('a')
    bench.uart.reset()
    expect([bench.irq, bench.in(IER), bench.in(IIR), bench.in(LSR)]).toEqual([false, 0, 1, 0x60])
    bench.clock.advance(1_100_000)
    expect(bench.in(RBR)).toBe(0x61)
  })
})
