import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { openMachine } from '../../../harness/config/machine-config.js'
import { changedAreas } from '../../../harness/live/changed-areas.js'
import type { Step } from '../../../harness/protocol/script.js'
import { LiveInput } from '../../../harness/runtime/live-input.js'
import { Runner } from '../../../harness/runtime/runner.js'
import { createMachine } from '../../../machine/create-machine.js'
import type { Machine } from '../../../machine/machine.js'
import { firmwareNote, noFirmware } from '../../firmware-here.js'
import { programFloppy } from '../boot-programs.js'
import { FakeMachine, MS } from '../fake-machine.js'

const floppy = join(mkdtempSync(join(tmpdir(), 'bootwright-live-')), 'slow.img')
writeFileSync(floppy, programFloppy('slowEcho'))

const wait = (ms: number): Step => ({ kind: 'wait', ns: ms * MS })

describe('a person at a machine that runs', () => {
  test("a guest that is slow to fetch loses nothing, and the result is marked as a person's", () => {
    let given = false
    const runner: Runner = new Runner((callbacks) => new FakeMachine({ fetchMs: 100 }, callbacks), {
      poll: () => {
        if (given) return
        given = true
        for (const code of ['KeyD', 'KeyI', 'KeyR'])
          for (const down of [true, false]) runner.input({ kind: 'key', code, down })
      },
    })
    const machine = runner.machine as FakeMachine
    const result = runner.run({ steps: [wait(1000)] })
    expect(machine.keys.map(({ code, down }) => `${down ? '+' : '-'}${code}`).join(' ')).toBe(
      '+KeyD -KeyD +KeyI -KeyI +KeyR -KeyR',
    )
    const gaps = machine.keys.slice(1).map(({ at }, i) => at - machine.keys[i].at)
    expect(Math.min(...gaps)).toBeGreaterThan(99)
    expect(result.hostInput).toBe(true)
  })

  const LETTERS = [...'abcdefghijklmnopqrstuvwxyzabcdefghijklmn']

  test.skipIf(noFirmware)(`fast hands lose no key to a BIOS whose program is slow to take them${firmwareNote}`, () => {
    let isReady = false
    const runner: Runner = new Runner(
      (callbacks) => {
        const floppies = [{ path: floppy }]
        return openMachine({ engine: 'soft', memory: 2 << 20, floppies }, callbacks, createMachine).machine
      },
      {
        poll() {
          if (!isReady) return
          isReady = false
          for (const letter of LETTERS)
            for (const down of [true, false]) runner.input({ kind: 'key', code: `Key${letter.toUpperCase()}`, down })
        },
      },
    )
    const said = (source: string) => {
      const condition = { kind: 'serial' as const, port: 0, pattern: { source, flags: '' } }
      expect(runner.run({ steps: [{ kind: 'until', condition }], timeoutNs: 60e9 }).error).toBeUndefined()
    }
    said('>')
    isReady = true
    said(LETTERS.join(''))
    runner.machine.close()
  })

  describe('while the BIOS has no room', () => {
    /** The keys that the machine has after so many seconds of a full buffer. */
    function given(seconds: number, codes: readonly string[]): string {
      const input = new LiveInput()
      const keys: string[] = []
      let now = 0
      const machine = {
        pending: () => 0,
        now: () => now,
        biosKeys: () => ({ room: 0, waiting: 15, head: 0x1e }),
        input: ({ code, down }: { code: string; down: boolean }) => keys.push(`${down ? '+' : '-'}${code}`),
      } as never
      for (const code of codes) input.add({ kind: 'key', code, down: true })
      for (; now < seconds * 1e9; now += 20e6) input.feed(machine)
      return keys.join(' ')
    }

    test('letters wait, modifiers do not', () => {
      expect(given(2, ['KeyA'])).toBe('')
      expect(given(2, ['ControlLeft', 'AltLeft', 'Delete'])).toBe('+ControlLeft +AltLeft')
    })

    test('nobody waits for long for a program that leaves its keys there, and once only', () => {
      expect(given(6, ['KeyA', 'KeyB', 'KeyC'])).toBe('+KeyA +KeyB +KeyC')
    })
  })

  test('movements become one while the guest is busy, and packets stay small', () => {
    let pending = 1
    const moves: string[] = []
    const machine = {
      pending: (queue: string) => (queue === 'mouse' ? pending : 0),
      input: ({ dx, dy, dz, buttons }: { dx: number; dy: number; dz: number; buttons: number }) =>
        moves.push(`${dx},${dy},${dz},${buttons}`),
    } as never
    const input = new LiveInput()
    for (let i = 0; i < 10; i++) input.add({ kind: 'mouse', dx: 15, dy: -1, dz: 0, buttons: 0 })
    input.add({ kind: 'mouse', dx: 0, dy: 0, dz: 0, buttons: 1 })
    input.add({ kind: 'mouse', dx: 0, dy: 0, dz: 1, buttons: 1 })
    for (let i = 0; i < 3; i++) input.feed(machine)
    expect(moves).toEqual([])
    pending = 0
    for (let i = 0; i < 9; i++) input.feed(machine)
    expect(moves).toEqual(['100,-10,0,0', '50,0,0,0', '0,0,0,1', '0,0,1,1'])
  })

  test('guest time does not run ahead of the clock on the wall while someone looks on', () => {
    const runner = new Runner((callbacks) => new FakeMachine({}, callbacks))
    const started = performance.now()
    runner.run({ steps: [wait(300)], realTime: true })
    expect(performance.now() - started).toBeGreaterThan(270)
    const later = performance.now()
    runner.run({ steps: [wait(60_000)] })
    expect(performance.now() - later).toBeLessThan(5000)
  })
})

test('serial bytes go to the machine no further than the guest reads them, and what has gone is told', () => {
  let [waiting, taken] = [0, 0]
  const machine = {
    pending: (queue: string) => (queue === 'COM1' ? waiting : 0),
    input: (event: { bytes: Uint8Array }) => {
      waiting += event.bytes.length
    },
  } as unknown as Machine
  const live = new LiveInput((bytes) => {
    taken += bytes
  })
  live.add({ kind: 'serial', port: 0, bytes: new Uint8Array(100_000) })
  for (let slice = 0; slice < 5; slice++) live.feed(machine)
  expect([waiting, taken]).toEqual([16384, 16384])
  waiting = 0
  for (let slice = 0; slice < 5; slice++) live.feed(machine)
  expect([waiting, taken]).toEqual([16384, 32768])
})

describe('changed areas', () => {
  const frame = (paint: (x: number, y: number) => number) => {
    const [width, height] = [200, 50]
    const data = new Uint8Array(width * height * 4)
    for (let i = 0; i < width * height; i++) data.fill(paint(i % width, Math.floor(i / width)), i * 4, i * 4 + 4)
    return { width, height, data }
  }
  const black = frame(() => 0)

  test('none where nothing has changed', () => {
    expect(
      changedAreas(
        black,
        frame(() => 0),
      ),
    ).toEqual([])
  })

  test('the last column and row count', () => {
    expect(
      changedAreas(
        black,
        frame((x, y) => Number(x === 199 && y === 49)),
      ),
    ).toEqual([{ x: 192, y: 48, width: 8, height: 2 }])
  })

  test('neighbours are one, and others are apart', () => {
    expect(
      changedAreas(
        black,
        frame((x, y) => Number(x < 70 && y < 20)),
      ),
    ).toEqual([{ x: 0, y: 0, width: 128, height: 32 }])
    expect(
      changedAreas(
        black,
        frame((x, y) => Number((x === 0 && y === 0) || (x === 130 && y === 40))),
      ),
    ).toEqual([
      { x: 0, y: 0, width: 64, height: 16 },
      { x: 128, y: 32, width: 64, height: 16 },
    ])
  })
})
