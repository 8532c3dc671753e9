import { describe, expect, test } from 'vitest'
import { parseBootCommand } from '../../../harness/keys/boot-command.js'
import type { Condition } from '../../../harness/protocol/condition.js'
import type { RunResult, Step } from '../../../harness/protocol/script.js'
import { Runner, type RunnerHooks } from '../../../harness/runtime/runner.js'
import { FakeMachine, type FakeOptions, type Happening, MS } from '../fake-machine.js'

const FRAME = 1e9 / 60

interface Ran {
  runner: Runner
  machine: FakeMachine
  result: RunResult
}

function start(options: FakeOptions, hooks?: RunnerHooks): Runner {
  return new Runner((callbacks) => new FakeMachine(options, callbacks), hooks)
}

function run(options: FakeOptions | Happening[], steps: Step[], hostTimeoutMs = 5000): Ran {
  const runner = start(Array.isArray(options) ? { happenings: options } : options)
  const result = runner.run({ steps, hostTimeoutMs })
  return { runner, machine: runner.machine as FakeMachine, result }
}

const text = (source: string, flags = ''): Condition => ({ kind: 'text', pattern: { source, flags } })
const serial = (source: string, port = 0): Condition => ({ kind: 'serial', port, pattern: { source, flags: '' } })
const until = (condition: Condition, timeoutNs?: number): Step => ({ kind: 'until', condition, timeoutNs })
const exit: Step = until({ kind: 'exit' })

/** Shows text at a guest time in ms. */
const show = (at: number, ...rows: string[]): Happening => ({ at, does: (machine) => machine.display.show(...rows) })
const send = (at: number, words: string, port = 0): Happening => ({ at, does: (machine) => machine.send(words, port) })
const end = (at: number, reason: 'poweroff' | 'reset' | 'triple-fault' | 'halted'): Happening => ({
  at,
  does: () => ({ reason }),
})

describe('text', () => {
  test('is met at the first frame that shows it, and the guest stands still there', () => {
    const { result, machine } = run([show(100, 'C:\\>', 'ready')], [until(text('^ready$'))])
    expect(result).toMatchObject({ outcome: 'ok', exit: { reason: 'condition' }, error: undefined, step: 1 })
    // 100 ms lie between frames 5 and 6.
    expect(machine.now()).toBe(Math.ceil(100 / (1000 / 60)) * FRAME)
    expect(result.text).toBe('C:\\>\nready\n\n')
  })

  test('that is there already takes no guest time', () => {
    const { runner, machine } = run([show(100, 'ready')], [until(text('ready'))])
    const before = machine.now()
    expect(runner.run({ steps: [until(text('READY', 'i'))] }).outcome).toBe('ok')
    expect(machine.now()).toBe(before)
  })

  test('is checked at the same frames whatever the script did before', () => {
    const happenings = [show(100, 'ready')]
    const plain = run(happenings, [until(text('ready'))])
    const waited = run(happenings, [{ kind: 'wait', ns: 7 * MS }, until(text('ready'))])
    expect(waited.machine.now()).toBe(plain.machine.now())
  })

  test('that comes with the exit counts', () => {
    const bye: Happening = {
      at: 100,
      does: (machine) => {
        machine.display.show('bye')
        return { reason: 'poweroff' }
      },
    }
    expect(run([bye], [until(text('bye'))]).result).toMatchObject({ outcome: 'ok', exit: { reason: 'poweroff' } })
  })

  test('that comes with an exit leaves the exit to the next wait', () => {
    const bye: Happening = {
      at: 100,
      does: (machine) => {
        machine.display.show('bye')
        return { reason: 'debug-exit', code: 0x10 }
      },
    }
    const exits = until({ kind: 'exit', reasons: ['debug-exit'] })
    const inOne = run([bye, end(200, 'halted')], [until(text('bye')), exits])
    expect(inOne.result).toMatchObject({ outcome: 'ok', exit: { reason: 'debug-exit', code: 0x10 } })
    // In a script of its own as well, and the guest has not run past it.
    const { runner, machine } = run([bye, end(200, 'halted')], [until(text('bye'))])
    const before = machine.now()
    expect(runner.run({ steps: [exits] })).toMatchObject({ outcome: 'ok', exit: { reason: 'debug-exit', code: 0x10 } })
    expect(machine.now()).toBe(before)
    const other = run([bye, show(200, 'later')], [until(text('bye')), until(text('later'))]).result
    expect(other.error).toMatch(/^the guest left through isa-debug-exit with code 16 .* before the text \/later\//)
  })

  test('that does not come within its guest time is a time-out', () => {
    const { result, machine } = run([], [until(text('x'), 1e9)])
    expect(result).toMatchObject({ outcome: 'timeout', exit: { reason: 'timeout' }, step: 0 })
    expect(result.error).toBe('waited 1 s of guest time for the text /x/ on the screen')
    expect(machine.now()).toBe(1e9)
  })

  test('never matches in a graphics mode', () => {
    const { result } = run([{ at: 1, does: (machine) => machine.display.paint(7) }], [until(text('.|^$'), 1e9)])
    expect(result).toMatchObject({ outcome: 'timeout', text: undefined, mode: { kind: 'graphics' } })
  })
})

describe('serial', () => {
  test('is met at the very byte', () => {
    const happenings = [...'login: root'].map((letter, i) => send(100 + i, letter))
    const { result, machine } = run(happenings, [until(serial('login:'))])
    expect(result.outcome).toBe('ok')
    expect(machine.now()).toBe(105 * MS)
    expect(result.serial).toEqual([{ port: 0, lines: ['login:'] }])
  })

  test('what came before the wait counts once', () => {
    const happenings = [send(10, 'one two\n'), send(20, 'one three\n')]
    const steps: Step[] = [{ kind: 'wait', ns: 15 * MS }, until(serial('one (\\w+)')), until(serial('one (\\w+)'))]
    const { result, machine } = run(happenings, steps)
    expect(result.outcome).toBe('ok')
    expect(machine.now()).toBe(20 * MS)
  })

  test('another port does not count', () => {
    const { result } = run([send(10, 'ready', 1)], [until(serial('ready'), 1e9)])
    expect(result.outcome).toBe('timeout')
    expect(result.serial).toEqual([{ port: 1, lines: ['ready'] }])
  })

  test('bytes go out as they come', () => {
    const out: [number, string][] = []
    const runner = start(
      { happenings: [send(10, 'ab'), send(50, 'c', 2)] },
      { onSerial: (port, bytes) => out.push([port, Buffer.from(bytes).toString()]) },
    )
    runner.run({ steps: [{ kind: 'wait', ns: 100 * MS }] })
    expect(out).toEqual([
      [0, 'ab'],
      [2, 'c'],
    ])
  })
})

describe('exits', () => {
  test.each(['poweroff', 'reset'] as const)('%s is an exit that can be waited for', (reason) => {
    expect(run([end(50, reason)], [exit]).result).toMatchObject({ outcome: 'ok', exit: { reason } })
  })

  test('debug-exit is a success with code 0 only', () => {
    const leave = (code: number): Happening => ({ at: 50, does: () => ({ reason: 'debug-exit', code }) })
    expect(run([leave(0)], [exit]).result).toMatchObject({ outcome: 'ok', exit: { reason: 'debug-exit', code: 0 } })
    const { result } = run([leave(16)], [exit])
    expect(result).toMatchObject({ outcome: 'failed', exit: { reason: 'debug-exit', code: 16 } })
    expect(result.error).toBe("the guest left through isa-debug-exit with code 16 (QEMU's exit status 33)")
  })

  test('debug-exit is a success with the code that is asked for; the status of QEMU is told from it', () => {
    const leaves: Happening = { at: 50, does: () => ({ reason: 'debug-exit', code: 16 }) }
    const asked = (code: number) => until({ kind: 'exit', reasons: ['debug-exit'], code })
    expect(run([leaves], [asked(16)]).result).toMatchObject({ outcome: 'ok', exit: { reason: 'debug-exit', code: 16 } })
    expect(run([leaves], [asked(33)]).result.error).toMatch(
      /where code 33 was expected; 33 is QEMU's exit status, \(code << 1\) \| 1: expect what the guest writes, 0x10$/,
    )
    expect(run([leaves], [asked(3)]).result.error).toMatch(/where code 3 was expected$/)
  })

  test('a time since power-on is waited for, and is no success before', () => {
    const time: Step = { kind: 'until-time', ns: 80e6 }
    const { result } = run([], [{ kind: 'wait', ns: 30e6 }, time, time])
    expect(result).toMatchObject({ outcome: 'ok', guestTimeNs: 80e6 })
    expect(run([end(50, 'poweroff')], [time]).result.error).toBe(
      'the guest powered off before 0.08 s of guest time had passed',
    )
  })

  test.each(['triple-fault', 'halted'] as const)('%s fails, unless it was asked for', (reason) => {
    expect(run([end(50, reason)], [exit]).result).toMatchObject({ outcome: 'failed', exit: { reason } })
    const asked = until({ kind: 'exit', reasons: [reason] })
    expect(run([end(50, reason)], [asked]).result).toMatchObject({ outcome: 'ok', exit: { reason } })
  })

  test('a reset on the way to something else is counted and run through', () => {
    const { result } = run([end(50, 'reset'), show(100, 'ready')], [until(text('ready'))])
    expect(result).toMatchObject({ outcome: 'ok', resets: 1, exit: { reason: 'condition' } })
  })

  test('a power-off ends the wait for something else at once', () => {
    const { result, machine } = run([end(50, 'poweroff')], [until(text('ready')), exit])
    expect(result).toMatchObject({ outcome: 'failed', exit: { reason: 'poweroff' }, step: 0 })
    expect(result.error).toBe('the guest powered off before the text /ready/ on the screen came')
    expect(machine.now()).toBe(50 * MS)
  })

  test('a triple fault shows what was on the screen before the reset, and the registers', () => {
    const { result } = run([show(50, 'panic'), end(100, 'triple-fault')], [exit])
    expect(result).toMatchObject({ outcome: 'failed', registers: 'EIP 0000FFF0', mode: { kind: 'text' } })
    expect(result.text).toMatch(/^panic/)
  })

  test('that comes while the last key is still down is the exit that is waited for next', () => {
    const onKey = () => ({ reason: 'reset' as const })
    const { result } = run({ onKey }, [...parseBootCommand('<enter><wait5>'), exit])
    expect(result).toMatchObject({ outcome: 'ok', exit: { reason: 'reset' }, resets: 1 })
  })

  test('that comes before all keys are typed is a failure', () => {
    const { result } = run([end(30, 'poweroff')], [...parseBootCommand('ab'), exit])
    expect(result).toMatchObject({ outcome: 'failed', exit: { reason: 'poweroff' } })
    expect(result.error).toBe('the guest powered off while keys were typed')
  })
})

describe('several conditions', () => {
  test('any: the first one', () => {
    const any: Condition = { kind: 'any', of: [text('x'), serial('y')] }
    expect(run([send(33, 'y')], [until(any)]).machine.now()).toBe(33 * MS)
  })

  test('all: serial output stays true until the screen is', () => {
    const all: Condition = { kind: 'all', of: [text('x'), serial('y')] }
    const { result, machine } = run([send(33, 'y'), show(200, 'x')], [until(all)])
    expect(result.outcome).toBe('ok')
    expect(machine.now()).toBeGreaterThanOrEqual(200 * MS)
  })
})

describe('still', () => {
  test('counts from the last change', () => {
    const { machine } = run([show(500, 'a'), show(900, 'b')], [until({ kind: 'still', ns: 1e9 })])
    expect(machine.now()).toBeGreaterThanOrEqual(1900 * MS)
    expect(machine.now()).toBeLessThan(1900 * MS + 2 * FRAME)
  })

  test('a picture that was redrawn as it was is still', () => {
    const happenings: Happening[] = [
      { at: 100, does: (machine) => machine.display.paint(1) },
      { at: 600, does: (machine) => machine.display.paint(1) },
    ]
    const { machine } = run(happenings, [until({ kind: 'still', ns: 1e9 })])
    expect(machine.now()).toBeLessThan(1200 * MS)
  })
})

/** @param taken Keys that a program has taken so far. */
const inBios = (waiting: number, taken = 0) => ({ room: 15 - waiting, waiting, head: taken % 16 })

const typed = (count: number) => parseBootCommand('a'.repeat(count))

describe('typing', () => {
  test('waits for the guest to fetch each key, however slow it is', () => {
    const got: string[] = []
    const onKey = (_: FakeMachine, event: { code: string; down: boolean }) => {
      got.push(`${event.down ? '+' : '-'}${event.code}`)
      return undefined
    }
    const { machine, result } = run({ fetchMs: 700, onKey }, parseBootCommand('A<enter>'))
    expect(result.outcome).toBe('ok')
    expect(got).toEqual(['+ShiftLeft', '+KeyA', '-KeyA', '-ShiftLeft', '+Enter', '-Enter'])
    const gaps = machine.keys.slice(1).map(({ at }, i) => at - machine.keys[i].at)
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(700)
  })

  test('gives a guest that fetches at once time to work, but not much', () => {
    const { machine } = run({}, parseBootCommand('ab'))
    const [down, up, next] = machine.keys.map(({ at }) => at)
    expect([up - down, next - up]).toEqual([20, 30])
  })

  test('at a guest that fetches nothing ends at the time-out and says so', () => {
    const { result } = run({ fetchMs: Number.POSITIVE_INFINITY }, parseBootCommand('a'), 50)
    expect(result).toMatchObject({ outcome: 'timeout', exit: { reason: 'timeout' } })
    expect(result.error).toContain('while typing: the guest does not fetch keys (1 bytes wait in the keyboard)')
  })

  test('waits while the BIOS of the guest has no room for keys', () => {
    const biosKeys = (guest: FakeMachine) => inBios(guest.now() < 800 * MS ? 14 : 0)
    const { machine } = run({ biosKeys }, parseBootCommand('ab'))
    expect(machine.keys[0].at).toBeCloseTo(800, -1)
    expect(machine.keys[2].at - machine.keys[0].at).toBe(50)
  })

  test('goes on sooner where a program has taken the key from the BIOS, but not at once', () => {
    // It takes a key 8 ms after it went down.
    const biosKeys = (guest: FakeMachine) => {
      const pressed = guest.keys.filter(({ down }) => down)
      const taken = pressed.filter(({ at }) => guest.now() >= (at + 8) * MS)
      return inBios(pressed.length - taken.length, taken.length)
    }
    const { machine } = run({ biosKeys }, parseBootCommand('abc'))
    const gaps = machine.keys.slice(1).map(({ at }, i) => at - machine.keys[i].at)
    expect(gaps).toEqual([8, 10, 8, 10, 8])
  })

  test('goes on at a guest that leaves its BIOS’s keys alone, and waits for it once only', () => {
    const biosKeys = ({ keys }: FakeMachine) => inBios(Math.min(15, keys.length / 2))
    const { machine, result } = run({ biosKeys }, typed(30))
    expect(result.outcome).toBe('ok')
    expect(machine.keys.length).toBe(60)
    const gaps = machine.keys.slice(1).map(({ at }, i) => at - machine.keys[i].at)
    expect(gaps.filter((gap) => gap > 1000)).toHaveLength(1)
  })

  test('keys that are held stay down until they are let go', () => {
    const { machine } = run({}, parseBootCommand('<leftCtrlOn>c<leftCtrlOff>'))
    expect(machine.keys.map(({ code, down }) => `${down ? '+' : '-'}${code}`)).toEqual([
      '+ControlLeft',
      '+KeyC',
      '-KeyC',
      '-ControlLeft',
    ])
  })
})

describe('the mouse', () => {
  test('buttons go down and up, twice for a double click, and are held while it moves', () => {
    const { machine } = run({}, [
      { kind: 'mouse-click', button: 'left', count: 2 },
      { kind: 'mouse-button', button: 'right', down: true },
      { kind: 'mouse-move', dx: 10, dy: 0 },
      { kind: 'mouse-button', button: 'right', down: false },
    ])
    expect(machine.mouseEvents.map(({ buttons, dx }) => [buttons, dx])).toEqual([
      ...[1, 0, 1, 0].map((buttons) => [buttons, 0]),
      ...[
        [2, 0],
        [2, 10],
        [0, 0],
      ],
    ])
  })

  test('the wheel turns notch by notch, either way', () => {
    const notches = (count: number) =>
      run({}, [{ kind: 'mouse-wheel', notches: count }]).machine.mouseEvents.map(({ dz }) => dz)
    expect([notches(3), notches(-2), notches(0)]).toEqual([[1, 1, 1], [-1, -1], []])
  })

  test('moves in steps that add up, and clicks', () => {
    const { machine } = run({}, parseBootCommand('<mouse 250,-3><click right>'))
    const sum = machine.mouseEvents.reduce((at, { dx, dy }) => ({ x: at.x + dx, y: at.y + dy }), { x: 0, y: 0 })
    expect(sum).toEqual({ x: 250, y: -3 })
    expect(Math.max(...machine.mouseEvents.map(({ dx }) => dx))).toBeLessThanOrEqual(100)
    expect(machine.mouseEvents.slice(-2).map(({ buttons }) => buttons)).toEqual([2, 0])
  })

  test('clicks on text by way of the corner where the guest shows no pointer', () => {
    const { machine } = run([show(1, '', '   Menu')], parseBootCommand("<wait 'Menu'><click 'Menu'>"))
    let [x, y] = [0, 0]
    for (const { dx, dy } of machine.mouseEvents) [x, y] = [Math.max(0, x + dx), Math.max(0, y + dy)]
    // 8 by 16 pixels a cell: the middle of columns 3 to 7 in row 1.
    expect([x, y]).toEqual([40, 24])
    expect(machine.mouseEvents.at(-2)?.buttons).toBe(1)
  })

  test('does not click on text that is not there', () => {
    const { result } = run([show(1, 'a')], parseBootCommand("<wait1><click 'Menu'>"))
    expect(result).toMatchObject({ outcome: 'failed', exit: { reason: 'script' } })
    expect(result.error).toContain('Menu')
  })
})

test('a limit of guest time for all steps ends a script at that very time', () => {
  const runner = start({ happenings: [] })
  const result = runner.run({ steps: [{ kind: 'wait', ns: 5 * MS }, exit], timeoutNs: 123_456_789 })
  expect(result).toMatchObject({ outcome: 'timeout', guestTimeNs: 123_456_789 })
  expect(result.error).toBe("the time-out of 0.123456789 s of guest time came while waiting for the guest's exit")
})

describe('the host', () => {
  test('a time-out ends a guest that runs for ever, with what it showed', () => {
    const { result } = run({ happenings: [show(1, 'hung'), send(2, 'log\n')], hostPerGuest: 1 }, [exit], 100)
    expect(result).toMatchObject({ outcome: 'timeout', exit: { reason: 'timeout' }, registers: 'EIP 0000FFF0' })
    expect(result.error).toBe("the time-out of 0.1 s came while waiting for the guest's exit")
    expect(result.text).toMatch(/^hung/)
    expect(result.serial).toEqual([{ port: 0, lines: ['log'] }])
    expect(result.unhandled[0].name).toBe('AdLib')
  })

  test('can stop a script, and the machine can be run on', () => {
    let polls = 0
    const runner: Runner = start({ happenings: [show(5000, 'ready')] }, { poll: () => ++polls === 10 && runner.stop() })
    const steps = [until(text('ready'))]
    expect(runner.run({ steps })).toMatchObject({ outcome: 'interrupted', exit: { reason: 'interrupted' } })
    expect(runner.run({ steps }).outcome).toBe('ok')
  })

  test('sees progress, and input from it marks the result', () => {
    const lines: string[] = []
    let sent = false
    const runner: Runner = start(
      {
        hostPerGuest: 1,
        happenings: [show(1, 'first', 'last', '')],
        onSerialInput: (machine, words) => machine.send(`<${words}>`),
      },
      {
        onProgress: ({ lastLine }) => lines.push(lastLine),
        poll: () => {
          if (!sent) runner.input({ kind: 'serial', port: 0, bytes: new TextEncoder().encode('hi') })
          sent = true
        },
      },
    )
    const result = runner.run({ steps: [{ kind: 'wait', ns: 500 * MS }] })
    expect(lines.at(-1)).toBe('last')
    expect(result).toMatchObject({ hostInput: true, serial: [{ port: 0, lines: ['<hi>'] }] })
  })
})

describe('a guest that says it cannot go on', () => {
  const PANIC = '[    1.234567] Kernel panic - not syncing: VFS: Unable to mount root fs\n'

  test('ends a wait early, when nothing has come since for two seconds', () => {
    const { result, machine } = run([send(1000, PANIC), send(1500, 'call trace\n')], [until(text('login:'), 300e9)])
    expect(result).toMatchObject({ outcome: 'failed', exit: { reason: 'panic' } })
    expect(result.error).toBe(
      'the guest panicked: "[    1.234567] Kernel panic - not syncing: VFS: Unable to mount root fs" before the text ' +
        '/login:/ on the screen came',
    )
    expect(machine.now() / 1e9).toBeCloseTo(3.5, 1)
  })

  test('ends what the test itself judges, too', () => {
    const polls = Array.from({ length: 100 }, (): Step => ({ kind: 'poll', ns: 100 * MS, what: "the needle 'login'" }))
    const { result, machine } = run([send(1000, PANIC)], polls)
    expect(result).toMatchObject({ outcome: 'failed', exit: { reason: 'panic' } })
    expect(result.error).toMatch(/^the guest panicked: .* before the needle 'login' came$/)
    expect(machine.now() / 1e9).toBeCloseTo(3, 1)
  })

  test.each(['panic: no init', 'panic k.c:18: f: no'])('on the screen, too: %s', (line) => {
    const { result } = run([show(100, line)], [until(serial('login:'), 300e9)])
    expect(result.error).toContain(`the guest panicked: "${line}" before `)
  })

  test('is of no account where that is waited for, or what comes after it', () => {
    const happenings = [
      send(1000, PANIC),
      send(2500, 'Rebooting in 9 seconds..'),
      end(9000, 'reset'),
      show(9500, 'again'),
    ]
    const steps = [until(serial('Kernel panic')), until(serial('Rebooting')), until(text('again'))]
    expect(run(happenings, steps).result).toMatchObject({ outcome: 'ok' })
    const reset: Step = until({ kind: 'exit', reasons: ['reset'] })
    expect(run(happenings, [reset]).result).toMatchObject({ outcome: 'ok', exit: { reason: 'reset' } })
  })

  test('does not pass for a success by powering off', () => {
    const { result } = run([send(100, PANIC), end(200, 'poweroff')], [exit])
    expect(result).toMatchObject({ outcome: 'failed', exit: { reason: 'panic' } })
    expect(result.error).toMatch(/; then the guest powered off$/)
  })

  test('prompts count while they are the last line only', () => {
    const given = [show(100, 'No bootable device.', 'Retrying')]
    expect(run(given, [until(text('login:'), 10e9)]).result.outcome).toBe('timeout')
    const last = [show(100, 'Booting from Hard Disk...', 'No bootable device.')]
    expect(run(last, [until(text('login:'), 10e9)]).result).toMatchObject({
      outcome: 'failed',
      exit: { reason: 'panic' },
    })
    const answered = [...last, show(1000, 'Booting from Floppy...'), show(9000, 'login:')]
    expect(run(answered, [until(text('login:'), 10e9)]).result.outcome).toBe('ok')
  })

  test('in words of its own, and in none', () => {
    const runner = start({ happenings: [send(100, 'ASSERT failed: x\n'), end(9000, 'poweroff')] })
    const result = runner.run({ steps: [exit], failOn: [{ source: 'ASSERT', flags: '' }] })
    expect(result.error).toBe('the guest failed: "ASSERT failed: x"')
    const dialog = start({
      happenings: [show(100, '\xda\xc4\xb4 [!!] No disk \xc3\xc4\xbf', '\xb3 There is none. \xb3')],
    })
    const titled = dialog.run({ steps: [exit], failOn: [{ source: '\\[!!\\] ', flags: '' }] })
    expect(titled.error).toBe('the guest failed: "[!!] No disk"')
    const off = start({ happenings: [send(100, PANIC), end(9000, 'poweroff')] })
    expect(off.run({ steps: [exit], failOn: false }).outcome).toBe('ok')
  })
})

test('slices are never longer than a frame, and two runs have the same', () => {
  const steps = [...parseBootCommand('ab<wait>'), until(text('ready'))]
  const [one, two] = [1, 2].map(() => run([show(3000, 'ready')], steps).machine.slices)
  expect(one).toEqual(two)
  expect(Math.max(...one.slice(1).map((slice, i) => slice - one[i]))).toBeLessThanOrEqual(Math.ceil(FRAME))
})

test('pictures are kept under their names', () => {
  const { result } = run(
    [{ at: 1, does: (machine) => machine.display.paint(9) }],
    [
      { kind: 'wait', ns: 2 * MS },
      { kind: 'screenshot', name: 'desk' },
    ],
  )
  expect(result.shots).toMatchObject([{ name: 'desk', guestTimeNs: 2 * MS, frame: { width: 2, height: 1 } }])
  expect(result.shots[0].frame.data[0]).toBe(9)
})

test('the power button and serial input are steps', () => {
  expect(run({}, [{ kind: 'power-button' }, exit]).result).toMatchObject({ exit: { reason: 'poweroff' } })
  const onSerialInput = (machine: FakeMachine, words: string) => machine.send(words.toUpperCase())
  const steps: Step[] = [{ kind: 'serial-input', port: 0, text: 'abc' }, until(serial('ABC'))]
  expect(run({ onSerialInput }, steps).result).toMatchObject({ outcome: 'ok', hostInput: false })
})

describe('the display', () => {
  test('is asked once a guest frame whether it changed, however many look', () => {
    const runner = start({ happenings: [show(10, 'one'), show(500, 'two')] })
    const { display } = runner.machine as FakeMachine
    let asked = 0
    const generation = display.generation.bind(display)
    display.generation = () => {
      asked++
      return generation()
    }
    runner.trace(() => {})
    const still: Condition = { kind: 'still', ns: 2e9 }
    const { guestTimeNs } = runner.run({
      steps: [until({ kind: 'any', of: [text('never'), text('nor this'), still] })],
    })
    const frames = Math.ceil(guestTimeNs / FRAME)
    expect(frames).toBeGreaterThan(120)
    expect(asked).toBeLessThanOrEqual(frames + 4)
    expect(asked).toBeGreaterThan(frames / 2)
  })
})

describe('a guest that goes down on the last key', () => {
  const tap: Step = { kind: 'tap', codes: ['KeyQ'] }
  const leaves = () => start({ onKey: () => ({ reason: 'debug-exit', code: 3 }) })

  test('has done no wrong: the next script finds it stopped', () => {
    const runner = leaves()
    expect(runner.run({ steps: [tap] }).outcome).toBe('ok')
    const code: Condition = { kind: 'exit', reasons: ['debug-exit'], code: 3 }
    expect(runner.run({ steps: [until(code)] })).toMatchObject({
      outcome: 'ok',
      exit: { reason: 'debug-exit', code: 3 },
    })
  })

  test('is told of where more was to be typed, and where something else is waited for next', () => {
    expect(leaves().run({ steps: [tap, tap] }).error).toContain('while keys were typed')
    const runner = leaves()
    runner.run({ steps: [tap] })
    expect(runner.run({ steps: [until(text('later'))] }).error).toContain('with code 3')
  })
})
