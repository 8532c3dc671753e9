import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { OcrMissingError, recognizeText } from '../../../harness/picture/ocr.js'
import { decodePng, readPng, writePng } from '../../../harness/picture/screenshot.js'
import {
  ActionError,
  GuestExitError,
  LaunchError,
  MachineClosedError,
  TimeoutError,
} from '../../../harness/vm/errors.js'
import { type LaunchOptions, launch, machineConfig } from '../../../harness/vm/launch.js'
import type { Vm } from '../../../harness/vm/vm.js'
import { compiledFakeMachine } from '../compiled.js'

const machineModule = compiledFakeMachine()
const folder = mkdtempSync(join(tmpdir(), 'bootwright-launch-'))
const floppy = join(folder, 'floppy.img')
writeFileSync(floppy, new Uint8Array(737280))

let vms: Vm[] = []

async function start(scenario: string, options: LaunchOptions = {}): Promise<Vm> {
  const vm = await launch({
    floppy,
    machineModule: `${machineModule}?scenario=${scenario}`,
    outputFolder: folder,
    ...options,
  })
  vms.push(vm)
  return vm
}

afterEach(async () => {
  await Promise.all(vms.map((vm) => vm.close()))
  vms = []
})

const now = async (vm: Vm) => (await vm.look()).guestTimeNs / 1e9

describe('the guest’s clock', () => {
  test('stands still between awaits, and stops at the frame that was waited for', async () => {
    const vm = await start('panic')
    await vm.screen.getByText('ready').waitFor()
    const seen = await now(vm)
    expect(seen).toBeCloseTo(1.1, 1)
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(await now(vm)).toBe(seen)
    await vm.wait('2s')
    expect(await now(vm)).toBeCloseTo(seen + 2, 6)
  })

  test('calls that are not awaited run in order', async () => {
    const vm = await start('panic')
    const [first, second] = [vm.screen.getByText('ready').waitFor(), vm.screen.text()]
    expect(await second).toMatch(/^ready/)
    await first
  })
})

describe('the screen', () => {
  test('has its text, where it is, and its cells', async () => {
    const vm = await start('panic')
    const ready = vm.screen.getByText(/^read/)
    expect(await ready.area()).toBeUndefined()
    await ready.waitFor()
    expect(await vm.screen.text()).toBe('ready\n\n\n')
    // 20 by 4 cells of 8 by 16 pixels.
    expect(await ready.area()).toEqual({ x: 0, y: 0, width: 32, height: 16 })
    expect(await vm.screen.region({ x: 8, y: 0, width: 16, height: 16 }).text()).toBe('ea')
    expect((await vm.screen.cells())?.cells[0].code).toBe('r'.charCodeAt(0))
    expect(await vm.screen.getByText('r').count()).toBe(1)
  })

  test('text can be waited for until it is gone', async () => {
    const vm = await start('panic')
    await vm.screen.getByText('starting').waitFor()
    await vm.screen.getByText('starting').waitFor({ state: 'hidden' })
    expect(await vm.screen.text()).toMatch(/^ready/)
  })

  test('is still when nothing changes', async () => {
    const vm = await start('panic')
    await vm.screen.getByText('starting').waitFor()
    await vm.screen.waitForStill('2s')
    expect(await now(vm)).toBeCloseTo(3.1, 1)
  })

  test('masks are black in its PNG', async () => {
    const vm = await start('picture')
    await vm.wait('200ms')
    const png = await vm.screen.png({ mask: [{ x: 0, y: 0, width: 1, height: 1 }] })
    expect([...(await decodePng(png)).data]).toEqual([0, 0, 0, 255, 10, 10, 10, 255])
  })

  test('a font is refused for a text mode', async () => {
    const vm = await start('panic')
    await vm.screen.getByText('ready').waitFor()
    const area = { x: 0, y: 0, width: 40, height: 16 }
    await expect(vm.screen.learnFont(area, 'ready')).rejects.toThrow('read exactly without any font')
  })

  test('a needle needs a folder', async () => {
    const vm = await start('panic')
    await expect(vm.screen.needle('login').waitFor()).rejects.toThrow("give launch() a folder of needles as 'needles'")
    await expect(start('panic', { needles: join(folder, 'none') })).rejects.toMatchObject({ name: 'NeedleError' })
  })

  test('a needle is waited for, by its name and by its tag, and clicked on where it is', async () => {
    const needles = join(folder, 'needles')
    mkdirSync(needles)
    await writePng(join(needles, 'light.png'), {
      width: 2,
      height: 1,
      data: Uint8Array.of(200, 200, 200, 255, 200, 200, 200, 255),
    })
    const area = [{ type: 'match', xpos: 0, ypos: 0, width: 2, height: 1 }]
    writeFileSync(join(needles, 'light.json'), JSON.stringify({ area, tags: ['is-light'], properties: [] }))
    const vm = await start('picture', { needles })
    await vm.wait('200ms')
    expect((await vm.screen.needle('light').best()).ok).toBe(false)
    expect(await vm.screen.needle('is-light').waitFor()).toMatchObject({ needle: 'light', ok: true })
    expect(await now(vm)).toBeCloseTo(1, 1)
    await expect(vm.screen.needle('dark').waitFor()).rejects.toThrow("there is no needle 'dark'")
    await expect(vm.screen.needle('light').click()).rejects.toThrow('the mouse pointer cannot be brought to')
  })
})

describe('the keyboard', () => {
  test('a character that the layout lacks is named, and nothing is typed', async () => {
    const vm = await start('idle')
    await expect(vm.keyboard.type('aß')).rejects.toThrow("the keyboard layout 'us' has no key for 'ß' (U+00DF)")
    expect(await now(vm)).toBe(0)
    await vm.keyboard.type('ß', { layout: 'de' })
    expect(await now(vm)).toBeGreaterThan(0)
    await expect(vm.keyboard.press('Contrl+C')).rejects.toThrow("did you mean 'Control'?")
  })
})

describe('a serial line', () => {
  test('logs in and runs commands', async () => {
    const vm = await start('shell')
    const shell = await vm.serial.shell({ login: 'root', password: 'secret' })
    expect(await shell.run('echo one')).toEqual({ exitCode: 0, stdout: 'one\n' })
    expect(await shell.run('false')).toEqual({ exitCode: 1, stdout: '' })
    expect(await shell.run('nonsense')).toEqual({ exitCode: 127, stdout: '' })
    expect((await vm.serial.terminal.text()).split('\n').slice(1, 4)).toEqual([
      'my login: root',
      'Password:',
      "# echo bw''_begin_1; eval 'echo one'; echo bw''_end_1:$?",
    ])
  })

  test('output that is longer than what patterns see is whole', async () => {
    const vm = await start('shell')
    const shell = await vm.serial.shell({ login: 'root', password: 'secret' })
    const long = 'x'.repeat(20_000)
    expect((await shell.run(`echo ${long}`)).stdout).toBe(`${long}\n`)
  })

  test('the debug console can be waited for, and read, as a serial line', async () => {
    const vm = await start('hello')
    expect(await vm.debugConsole.waitFor(/d(eb)ug/)).toEqual(['debug', 'eb'])
    expect(vm.debugConsole.text()).toBe('debug')
    expect((await vm.look()).serial).toEqual([{ port: 0, lines: ['hello'] }])
    await expect(vm.debugConsole.waitFor('more', { timeout: '100ms' })).rejects.toThrow(
      /^waited 0\.1 s of guest time for \/more\/ on the debug console\n/,
    )
  })

  test('quotes the command that was not through in time, and the line that asked for it', async () => {
    const vm = await start('shell')
    const shell = await vm.serial.shell({ login: 'root', password: 'secret' })
    const error = await shell.run('sleep 1d', { timeout: '2s' }).catch((thrown) => thrown)
    expect(error.message).toMatch(/^waited 2 s of guest time for the end of the command 'sleep 1d' on COM1\n/)
    const frames = error.stack.slice(error.stack.indexOf(error.message) + error.message.length)
    expect(frames).toMatch(/^\n {4}at [^\n]*vm\.test\.ts:\d+/)
  })

  test('a wrong password is told with the last lines', async () => {
    const vm = await start('shell')
    const shell = vm.serial.shell({ login: 'root', password: 'guess', timeout: '5s' })
    await expect(shell).rejects.toThrow(/waited 5 s of guest time[\s\S]*last lines of COM1:[\s\S]*Login incorrect/)
  })

  test('gives groups, bytes, chunks and a recording', async () => {
    const vm = await start('hello')
    expect(await vm.serial.waitFor(/h(e)(l+)o/)).toEqual(['hello', 'e', 'll'])
    expect(Buffer.from(vm.serial.raw()).toString()).toBe('hello\n')
    const chunks: string[] = []
    for await (const chunk of vm.serial[0]) chunks.push(Buffer.from(chunk).toString())
    expect(chunks.join('')).toBe('hello\n')
    const [header, ...events] = vm.serial
      .asciicast('hi')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(header).toEqual({ version: 2, width: 80, height: 24, title: 'hi' })
    expect(events.map(([, kind, text]) => [kind, text])).toEqual([['o', 'hello\n']])
    expect(events[0][0]).toBeCloseTo(0.1, 1)
    expect(vm.exit).toMatchObject({ reason: 'poweroff' })
  })
})

describe('the guest’s end', () => {
  test('is waited for by its reason', async () => {
    const vm = await start('debugExit')
    expect(vm.exit).toBeUndefined()
    expect(await vm.waitForExit({ reason: 'debug-exit' })).toEqual({ reason: 'debug-exit', code: 3 })
    expect(vm.exit).toEqual({ reason: 'debug-exit', code: 3, detail: undefined })
  })

  test('in another way is an error that shows the screen and why', async () => {
    const vm = await start('panic')
    const failed = await vm.waitForExit({ reason: 'poweroff' }).catch((error) => error)
    expect(failed).toBeInstanceOf(GuestExitError)
    expect(failed.exit.reason).toBe('triple-fault')
    expect(failed.message).toMatch(
      /triple fault[\s\S]*last screen[\s\S]*\| ready[\s\S]*why:\n {2}no handler[\s\S]*0x388 \(AdLib\)/,
    )
  })

  test('by the power button', async () => {
    const vm = await start('idle')
    await vm.power.button()
    expect(await vm.waitForExit()).toMatchObject({ reason: 'poweroff' })
  })

  test('after the plug was pulled there is no machine', async () => {
    const vm = await start('idle')
    await vm.power.off()
    await expect(vm.screen.text()).rejects.toThrow(MachineClosedError)
    await expect(vm.screen.text()).rejects.toThrow('the machine was switched off; launch another one')
  })

  test('before what was asked for was done, for want of an await', async () => {
    const vm = await start('idle')
    const asked = [vm.serial.waitFor(/never/), vm.screen.waitForStill()]
    const told = Promise.allSettled(asked)
    await vm.close()
    expect((await told).map((one) => one.status === 'rejected' && `${one.reason.name}: ${one.reason.message}`)).toEqual(
      asked.map(
        () =>
          "MachineClosedError: the machine was closed before what this line asked for was done: write 'await' in front of it",
      ),
    )
  })

  test('a mouse has three buttons', async () => {
    const vm = await start('idle')
    const button = 'foo' as 'left'
    const sentence = "the mouse has no button 'foo'; there are left, middle, right"
    for (const click of [
      () => vm.mouse.click(1, 1, { button }),
      () => vm.mouse.down({ button }),
      () => vm.mouse.drag({ x: 0, y: 0 }, { x: 1, y: 1 }, { button }),
      () => vm.screen.getByText('x').click({ button }),
    ])
      await expect(click()).rejects.toThrow(sentence)
  })
})

describe('time-outs', () => {
  test('in guest time show the last screen', async () => {
    const vm = await start('panic')
    const failed = await vm.screen
      .getByText('never')
      .waitFor({ timeout: '3s' })
      .catch((error) => error)
    expect(failed).toBeInstanceOf(TimeoutError)
    expect(failed.message).toMatch(
      /^waited 3 s of guest time for the text \/never\/ on the screen\n\nlast screen \(20x4\):\n {2}\| ready/,
    )
    expect(await now(vm)).toBeCloseTo(3, 6)
  })

  test('of the machine count where a call has none', async () => {
    const vm = await start('panic', { timeout: 2 })
    await expect(vm.screen.getByText('never').waitFor()).rejects.toThrow('waited 2 s of guest time')
  })

  test('in host time end a guest that goes on for ever', async () => {
    const vm = await start('idle')
    const waiting = vm.screen.getByText('never').waitFor({ timeout: '1h', hostTimeout: '200ms' })
    await expect(waiting).rejects.toThrow('the time-out of 0.2 s came while waiting for the text /never/')
  })

  test('in graphics modes keep a picture', async () => {
    const vm = await start('picture')
    const failed = await vm.screen
      .getByText('never')
      .waitFor({ timeout: '2s' })
      .catch((error) => error)
    expect(failed.picture).toMatch(/last-screen-\d+-\d+-1\.png$/)
    expect(failed.message).toContain(`see ${failed.picture}`)
    expect((await readPng(failed.picture)).data[0]).toBe(200)
  })
})

describe('the mouse', () => {
  test('a guest without a pointer says so', async () => {
    const vm = await start('picture')
    await vm.wait('200ms')
    const failed = await vm.mouse.click(1, 0).catch((error) => error)
    expect(failed).toBeInstanceOf(ActionError)
    expect(failed.message).toContain('nothing moves on the screen when the mouse does')
    await expect(vm.mouse.move(500, 0)).rejects.toThrow('500,0 is not on the screen of 2×1 pixels')
  })
})

describe('options are checked', () => {
  test('a BIOS that was named may be all that is run', async () => {
    const rom = join(folder, 'own.rom')
    writeFileSync(rom, new Uint8Array(65536))
    expect((await machineConfig({ bios: rom })).firmware).toEqual({ bios: rom })
  })

  test.each<[object, string]>([
    [{}, 'there is nothing to boot'],
    [{ flopy: 'x' }, "launch() has no option 'flopy'; did you mean 'floppy'?"],
    [{ floppy, engine: 'qemu' }, "engine 'qemu' is unknown"],
    [{ floppy, memory: '4T' }, "memory '4T' is not a size"],
    [{ floppy, memory: '8G' }, 'memory 8G is too large'],
    [{ floppy, boot: 'x' }, "boot 'x' is no boot order"],
    [{ floppy, append: 'quiet' }, 'append goes with a kernel'],
    [{ floppy, cpu: '8086' }, "cpu '8086'"],
    [{ floppy, smp: 33 }, "smp '33' is no number of CPUs; give 1 to 32"],
    [{ snapshot: 'a.snapshot', memory: 64 }, 'memory is the snapshot\'s own, "a.snapshot"; leave it out'],
    [{ floppy, timeout: 'soon' }, "timeout: 'soon' is not a duration"],
  ])('%j', async (options, message) => {
    const failed = await launch(options as LaunchOptions).catch((error) => error)
    expect(failed).toBeInstanceOf(LaunchError)
    expect(failed.message).toContain(message)
  })

  test('a medium that is not there is a MediaError', async () => {
    const missing = join(folder, 'none.img')
    await expect(launch({ floppy: missing })).rejects.toMatchObject({ name: 'MediaError' })
  })
})

describe('text recognition', () => {
  test('without the package says how to get it', async () => {
    const absent = () => Promise.reject(new Error('not found'))
    await expect(recognizeText(new Uint8Array(), 'eng', absent)).rejects.toThrow(OcrMissingError)
    await expect(recognizeText(new Uint8Array(), 'eng', absent)).rejects.toThrow("run 'npm install tesseract.js'")
  })

  test('is asked for the language', async () => {
    const tesseract = { recognize: async (_: Uint8Array, language: string) => ({ data: { text: `in ${language}\n` } }) }
    expect(await recognizeText(new Uint8Array(), 'deu', async () => ({ default: tesseract }))).toBe('in deu')
  })
})
