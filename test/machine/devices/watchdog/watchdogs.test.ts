/** The watchdogs on a whole machine, through its buses as a guest goes. */
import { afterEach, describe, expect, test } from 'vitest'
import type { MachineExit } from '../../../../machine/machine.js'
import { closeLayer } from '../../../../machine/state/memory-image.js'
import { type BarePc, barePc } from '../../state/bare-pc.js'

const ESB = 0xe000_0000
/** The first free place behind the display adapter's. */
const SLOT = 3

const made: BarePc[] = []
function machine(type: string, options: { [option: string]: unknown } = {}): BarePc {
  const pc = barePc({ devices: [{ type, options }] })
  made.push(pc)
  return pc
}
afterEach(() => {
  for (const { pc } of made.splice(0)) pc.close()
})

/** How it ends within so many seconds of guest time, and when. */
function runFor({ pc }: BarePc, seconds: number): { exit: MachineExit | undefined; after: number } {
  const start = pc.now()
  const exit = pc.run(start + seconds * 1e9)
  return { exit, after: (pc.now() - start) / 1e9 }
}

describe('ib700', () => {
  test.each([
    [0, 30],
    [5, 20],
    [14, 2],
    [15, 0],
  ])('a write of %i to 443h gives it %i s', (value, seconds) => {
    const bare = machine('ib700')
    bare.out(0x443, value)
    const { exit, after } = runFor(bare, 40)
    expect(exit).toEqual({ reason: 'watchdog', action: 'reset', detail: 'ib700' })
    expect(after).toBeCloseTo(seconds, 3)
  })

  test('fed or stopped it does nothing', () => {
    const bare = machine('ib700')
    for (let i = 0; i < 5; i++) {
      bare.out(0x443, 10)
      expect(runFor(bare, 9).exit).toBeUndefined()
    }
    bare.out(0x441, 0)
    expect(runFor(bare, 100).exit).toBeUndefined()
  })

  test('goes on counting in a copy of the machine', () => {
    const [one, two] = [machine('ib700'), machine('ib700')]
    one.out(0x443, 10)
    runFor(one, 4)
    const saved = one.pc.save()
    two.pc.load(saved)
    for (const bare of [one, two]) expect(runFor(bare, 40).after).toBeCloseTo(6, 3)
    one.pc.close()
    two.pc.close()
    made.length = 0
    for (const layer of saved.memory.layers) closeLayer(layer)
  })
})

describe('what it does', () => {
  test.each([
    ['reset', 1],
    ['poweroff', 0],
    ['pause', 1],
  ] as const)('%s', (action, goesOn) => {
    const bare = machine('ib700', { action })
    bare.out(0x443, 14)
    expect(runFor(bare, 10).exit).toEqual({ reason: 'watchdog', action, detail: 'ib700' })
    const { exit, after } = runFor(bare, 10)
    expect(exit === undefined).toBe(goesOn === 1)
    expect(after).toBeCloseTo(10 * goesOn, 3)
  })

  test('none: it is warned of', () => {
    const bare = machine('ib700', { action: 'none' })
    bare.out(0x443, 14)
    expect(runFor(bare, 10).exit).toBeUndefined()
    expect(bare.pc.report().warnings).toEqual([expect.objectContaining({ text: expect.stringMatching(/not fed/) })])
  })
})

describe('i6300esb', () => {
  function esb(options: { [option: string]: unknown } = {}): BarePc {
    const bare = machine('i6300esb', options)
    bare.pci(SLOT, 0, 0x10, ESB)
    bare.pci(SLOT, 0, 4, 2)
    return bare
  }
  const unlock = ({ memory }: BarePc) => {
    memory.mmioWrite(ESB + 0x0c, 0x80, 2)
    memory.mmioWrite(ESB + 0x0c, 0x86, 2)
  }
  const write = (bare: BarePc, offset: number, value: number) => {
    unlock(bare)
    bare.memory.mmioWrite(ESB + offset, value, 4)
  }
  /** Stages of 1 s and 2 s, as near as 1 KHz comes. */
  const start = (bare: BarePc, configuration = 0x03) => {
    bare.pci(SLOT, 0, 0x60, configuration)
    write(bare, 0, 1016)
    write(bare, 4, 2033)
    bare.pci(SLOT, 0, 0x68, 2)
  }

  test('ends after both stages, and the guest finds out why', () => {
    const bare = esb()
    start(bare)
    const { exit, after } = runFor(bare, 10)
    expect(exit).toEqual({ reason: 'watchdog', action: 'reset', detail: 'i6300esb' })
    expect(after).toBeCloseTo(3, 1)
    expect(runFor(bare, 10).exit).toBeUndefined()
    bare.pci(SLOT, 0, 0x10, ESB)
    bare.pci(SLOT, 0, 4, 2)
    expect(bare.memory.mmioRead(ESB + 0x0c, 2)).toBe(0x200)
    write(bare, 0x0c, 0x200)
    expect(bare.memory.mmioRead(ESB + 0x0c, 2)).toBe(0)
  })

  test('fed it does nothing; a register that is not opened takes nothing', () => {
    const bare = esb()
    start(bare)
    bare.memory.mmioWrite(ESB, 0, 4)
    bare.memory.mmioWrite(ESB + 0x0c, 0x86, 2)
    bare.memory.mmioWrite(ESB + 4, 0, 4)
    for (let i = 0; i < 5; i++) {
      write(bare, 0x0c, 0x100)
      expect(runFor(bare, 2.5).exit).toBeUndefined()
    }
    bare.pci(SLOT, 0, 0x68, 0)
    expect(runFor(bare, 100).exit).toBeUndefined()
  })

  test('locked it cannot be switched off', () => {
    const bare = esb()
    start(bare)
    bare.pci(SLOT, 0, 0x68, 3)
    bare.pci(SLOT, 0, 0x68, 0)
    expect(runFor(bare, 10).exit?.reason).toBe('watchdog')
  })

  test('its first stage interrupts, where that is asked for; without an output its end is silent', () => {
    const bare = esb()
    start(bare, 0x20)
    expect(runFor(bare, 10).exit).toBeUndefined()
    expect([bare.memory.mmioRead(ESB + 8, 4), bare.memory.mmioRead(ESB + 0x0c, 2)]).toEqual([1, 0x200])
    bare.memory.mmioWrite(ESB + 8, 1, 4)
    expect(bare.memory.mmioRead(ESB + 8, 4)).toBe(0)
  })

  test('free-running, with no time at all, it costs nothing', () => {
    const bare = esb()
    bare.pci(SLOT, 0, 0x60, 0x07)
    write(bare, 0, 0)
    write(bare, 4, 0)
    bare.pci(SLOT, 0, 0x68, 6)
    expect(runFor(bare, 100).exit).toBeUndefined()
  })
})
