import { describe, expect, test } from 'vitest'
import {
  type Act,
  checkBootOrder,
  joinExits,
  parsePattern,
  parseRun,
  type RunFlags,
} from '../../../harness/cli/run-options.js'
import { launchOptions } from '../../../harness/cli/verbs/codegen.js'

const MIB = 1 << 20

test.each([
  ['512', 512 * MIB],
  ['512M', 512 * MIB],
  ['512m', 512 * MIB],
  ['512MiB', 512 * MIB],
  ['1G', 1024 * MIB],
  ['1.5G', 1536 * MIB],
  ['3G', 3072 * MIB],
  ['1', MIB],
  ['65536K', 64 * MIB],
])('-m %s', (text, bytes) => {
  expect(parseRun('g', { memory: text }, []).machine.memory).toBe(bytes)
})

test.each(['', '0', '1023K', '3.1G', '3073', '-1', '1T', '0x10', '1.0001M'])('-m %s is refused', (text) => {
  expect(() => parseRun('g', { memory: text }, [])).toThrow(`-m ${text === '' ? "''" : ''}`)
})

describe('patterns', () => {
  test('stand as they are, or between slashes with flags', () => {
    expect(parsePattern('A:\\\\>', '--until-text')).toEqual({ source: 'A:\\\\>', flags: '' })
    expect(parsePattern('/usr/bin', '--until-text')).toEqual({ source: '/usr/bin', flags: '' })
    expect(parsePattern('/ready/i', '--until-text')).toEqual({ source: 'ready', flags: 'i' })
  })
})

describe('the script', () => {
  const acts: Act[] = [
    { option: 'until-text', value: 'a' },
    { option: 'keys', value: 'x<wait2>' },
    { option: 'until-serial', value: 'b' },
  ]

  test('is in the order given', () => {
    expect(parseRun('g', {}, acts).steps.map(({ kind }) => kind)).toEqual(['until', 'tap', 'wait', 'until'])
  })

  test('ends with the exit where nothing else is waited for', () => {
    const exit = { kind: 'until', condition: { kind: 'exit' } }
    expect(parseRun('g', {}, []).steps).toEqual([exit])
    expect(parseRun('g', {}, [{ option: 'keys', value: 'x' }]).steps).toEqual([{ kind: 'tap', codes: ['KeyX'] }, exit])
  })
})

describe('the machine', () => {
  test('has QEMU’s defaults', () => {
    expect(parseRun('g', {}, [])).toMatchObject({
      machine: { engine: 'auto', memory: 128 * MIB, floppies: [], disks: [] },
      timeoutMs: 600_000,
      json: false,
      given: {},
    })
  })

  test.each([
    ['dc', 'dc'],
    ['order=dc', 'dc'],
    ['n', 'n'],
    ['menu=off,order=c', 'c'],
    ['ca,menu=off', 'ca'],
  ])('--boot %s', (boot, order) => {
    const { machine } = parseRun('g', { boot }, [])
    expect(machine.bootOrder).toBe(order)
    expect(machine.bootMenu).toBeUndefined()
  })

  test.each([
    ['order=adc,menu=on,splash-time=60000', { bootOrder: 'adc', bootMenu: { waitMs: 60000 } }],
    ['menu=on,order=a', { bootOrder: 'a', bootMenu: {} }],
    ['menu=on', { bootMenu: {} }],
    ['order=a,fd-check=off', { bootOrder: 'a', floppyCheck: false }],
  ])('--boot %s offers the menu', (boot, machine) => {
    expect(parseRun('g', { boot }, []).machine).toMatchObject(machine)
  })

  test('the menu goes with a kernel, which an order does not', () => {
    const flags = { kernel: 'k', boot: 'menu=on' }
    expect(parseRun(undefined, flags, []).machine.bootMenu).toEqual({ waitMs: undefined })
    expect(() => parseRun(undefined, { ...flags, boot: 'order=c,menu=on' }, [])).toThrow('contradict each other')
  })

  test('boots from what has a medium', () => {
    const floppies = [{ path: 'a' }]
    expect(() => checkBootOrder({ floppies, bootOrder: 'ca' })).not.toThrow()
    expect(() => checkBootOrder({ floppies, bootOrder: 'cd' })).toThrow('add --disk or --cdrom')
    expect(() => checkBootOrder({ floppies })).not.toThrow()
  })

  test('may have nothing to boot where the firmware is what is waited for', () => {
    expect(() => parseRun(undefined, {}, [{ option: 'until-text', value: 'No bootable device' }])).not.toThrow()
  })

  test('--append may begin with dashes, and --keys too', () => {
    const flags = { kernel: 'k', append: '--verbose' }
    expect(parseRun(undefined, flags, [{ option: 'keys', value: '--' }]).machine.kernel?.append).toBe('--verbose')
  })
})

describe('a snapshot', () => {
  test('keeps what nothing was said of', () => {
    const { snapshot, machine } = parseRun(undefined, { snapshot: 'a', engine: 'auto', disk: ['d.img'] }, [])
    expect([snapshot, machine]).toEqual(['a', { disks: [{ path: 'd.img' }] }])
    expect(parseRun(undefined, { snapshot: 'a', engine: 'kvm' }, []).machine).toEqual({ engine: 'kvm' })
  })

  test.each<[string | undefined, RunFlags, string]>([
    ['freedos', { snapshot: 'a' }, "--snapshot 'a' has its machine, and 'freedos' would be another; leave one out"],
    [undefined, { snapshot: 'a', memory: '64' }, "-m is the snapshot's own, 'a'; leave it out"],
    [undefined, { snapshot: 'a', boot: 'c' }, "--boot is the snapshot's own, 'a'; leave it out"],
    [undefined, { snapshot: 'a', record: 'r' }, '--record begins where a machine is switched on'],
    [undefined, { snapshot: 'a', write: true }, '--write and --snapshot contradict each other'],
    ['freedos', { saveSnapshot: 'a', write: true }, '--save-snapshot needs media that stay as they are'],
    ['freedos', { saveSnapshot: '' }, '--save-snapshot has an empty path; name a file to write'],
  ])('%s with %j is refused', (guest, flags, sentence) => {
    expect(() => parseRun(guest, flags, [])).toThrow(sentence)
  })
})

describe('exits', () => {
  const condition = (...acts: Act[]) => {
    const [step] = parseRun('g', {}, acts).steps
    return step.kind === 'until' ? step.condition : step
  }

  test('alone, by name and by code', () => {
    expect(condition({ option: 'until-exit', value: 'clean' })).toEqual({ kind: 'exit' })
    expect(condition({ option: 'until-exit', value: 'poweroff,reset' })).toEqual({
      kind: 'exit',
      reasons: ['poweroff', 'reset'],
    })
    const leaves = { kind: 'exit', reasons: ['debug-exit'], code: 0x10 }
    expect(condition({ option: 'until-exit', value: 'debug-exit:0x10' })).toEqual(leaves)
    expect(condition({ option: 'expect-exit', value: '16' })).toEqual(leaves)
    expect(condition({ option: 'until-time', value: '2.5s' })).toEqual({ kind: 'until-time', ns: 2.5e9 })
  })

  test.each([
    ['until-exit', 'powerof', "there is no exit 'powerof'; did you mean 'poweroff'? exits are"],
    ['until-exit', 'poweroff:1', 'only debug-exit has a code, as in debug-exit:0x10'],
    ['until-exit', 'debug-exit:ten', "--until-exit 'debug-exit:ten': 'ten' is no exit code"],
    ['expect-exit', '-1', "--expect-exit '-1' is no exit code; give what the guest writes to port 0xf4, as in 0x10"],
    ['expect-exit', '0x100000000', 'is no exit code'],
    ['until-time', 'soon', "--until-time 'soon' is not a duration"],
  ] as const)('--%s %s', (option, value, sentence) => {
    expect(() => condition({ option, value })).toThrow(sentence)
  })

  test.each([
    ['--until-exit disk.img', '--until-exit=clean disk.img'],
    ['--until-exit --json', '--until-exit=clean --json'],
    ['a.img --until-exit', 'a.img --until-exit=clean'],
    ['--until-exit debug-exit:0x10 a.img', '--until-exit=debug-exit:0x10 a.img'],
    ['--until-exit powerof', '--until-exit=powerof'],
    ['--keys --until-exit x', '--keys --until-exit x'],
  ])('%s', (line, joined) => {
    expect(joinExits(line.split(' '), (option) => option === '--keys').join(' ')).toBe(joined)
  })
})

test('keys are typed in the layout; times of guest and host are apart', () => {
  const keys: Act = { option: 'keys', value: 'z' }
  const { steps, guestTimeoutNs, timeoutMs } = parseRun('g', { layout: 'de', guestTimeout: '90', timeout: '2s' }, [
    keys,
  ])
  expect(steps[0]).toEqual({ kind: 'tap', codes: ['KeyY'] })
  expect([guestTimeoutNs, timeoutMs]).toEqual([90e9, 2000])
  expect(() => parseRun('g', { layout: 'dee' }, [keys])).toThrow(
    "--layout: unknown keyboard layout 'dee'; did you mean 'de'?",
  )
  expect(() => parseRun('g', { layout: 'de' }, [])).toThrow('--layout says how --keys is typed')
  expect(() => parseRun('g', { guestTimeout: '0' }, [])).toThrow('--guest-timeout 0 leaves no time to run')
})

test('codegen takes the number of CPUs and the boot order in all their forms', () => {
  const flags: RunFlags = { disk: ['a'], cdrom: 'b', smp: 'cpus=4', boot: 'order=dc' }
  const options = launchOptions(undefined, parseRun(undefined, flags, []))
  expect(options).toMatchObject({ smp: 4, boot: 'order=dc', disks: ['a'], cdrom: 'b' })
  const menu: RunFlags = { disk: ['a'], boot: 'menu=on' }
  expect(launchOptions(undefined, parseRun(undefined, menu, []))).toEqual({ disks: ['a'], boot: 'menu=on' })
})
