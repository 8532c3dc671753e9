import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { RunJson } from '../../../../harness/cli/run-report.js'
import { readPng } from '../../../../harness/picture/screenshot.js'
import { firmwareNote, noFirmware } from '../../../firmware-here.js'
import { PROGRAM_NAMES, programFloppy } from '../../boot-programs.js'
import { bootwright, type CommandOptions, type Ended } from '../command.js'
import { inProcess } from '../in-process.js'

const folder = mkdtempSync(join(tmpdir(), 'bootwright-run-'))
const at = (name: string) => join(folder, name)
for (const name of PROGRAM_NAMES) writeFileSync(at(`${name}.img`), programFloppy(name))

/** Runs a program's floppy on the soft engine; in a process of its own where it has options or standard input. */
function run(name: string, args: string[] = [], options?: CommandOptions): Promise<Ended> {
  const all = ['run', '--engine', 'soft', '--floppy', at(`${name}.img`), '--timeout', '60s', ...args]
  return options || args.includes('stdio') ? bootwright(all, options) : inProcess(all)
}

async function runJson(name: string, args: string[] = []): Promise<RunJson & { ended: Ended }> {
  const ended = await run(name, ['--json', ...args])
  return { ...(JSON.parse(ended.stdout) as RunJson), ended }
}

describe.skipIf(noFirmware)(`exits${firmwareNote}`, () => {
  test('power-off is a success, and is waited for without being asked', async () => {
    const { ended, ...json } = await runJson('poweroff')
    expect(ended.code).toBe(0)
    expect(json).toMatchObject({
      outcome: 'ok',
      exitCode: 0,
      exit: { reason: 'poweroff' },
      engine: 'soft',
      resets: 0,
      serial: [{ port: 'COM1', lines: ['bye'] }],
      screen: { mode: 'text', columns: 80, rows: 25 },
    })
    expect(json.screen?.text).toContain('SeaBIOS')
    expect(json.instructions).toBeGreaterThan(1e5)
    expect(json.guestSeconds).toBeGreaterThan(0)
    expect(json).not.toHaveProperty('error')
  })

  test('debug-exit is one with code 0, and a failure with QEMU’s status for others', async () => {
    expect(await runJson('exit0', ['--until-exit'])).toMatchObject({
      outcome: 'ok',
      exit: { reason: 'debug-exit', code: 0, qemuStatus: 1 },
    })
    const { ended, ...json } = await runJson('exit16', ['--until-exit'])
    expect(ended.code).toBe(1)
    expect(json).toMatchObject({ outcome: 'failed', exit: { reason: 'debug-exit', code: 16, qemuStatus: 33 } })
    expect(json.error).toContain('code 16')
  })

  test('debug-exit is where it is plugged in, by QEMU’s words or ours, and in a snapshot', async () => {
    const devices = ['-device', 'isa-debug-exit,iobase=0x501', '--device', 'isa-debug-exit,iobase=0xf4,iosize=1']
    expect((await run('exit501', [...devices, '--expect-exit', '7'])).code).toBe(0)
    const without = await run('exit501', ['--guest-timeout', '2s', '--expect-exit', '7'])
    expect(without.code).not.toBe(0)

    const saved = await run('idle', [
      ...devices,
      '--until-text',
      'idle here',
      '--save-snapshot',
      at('devices.snapshot'),
    ])
    expect(saved.code).toBe(0)
    const others = ['run', '--snapshot', at('devices.snapshot'), '--until-text', 'idle here']
    expect((await inProcess(others)).code).toBe(0)
    const refused = await inProcess([...others, '--device', 'pc-testdev'])
    expect(refused.stderr).toMatch(/^bootwright: --device is the snapshot's own, /)
    expect(refused.code).toBe(2)
  })

  test('--bios and --drive do what their names say', async () => {
    const args = ['--drive', `file=${at('exit0.img')},if=floppy`, '--engine', 'soft', '--expect-exit', '0']
    expect((await inProcess(['run', ...args])).code).toBe(0)
    writeFileSync(at('loop.bin'), new Uint8Array(65536).fill(0xf4))
    const halted = await inProcess(['run', ...args, '-bios', at('loop.bin'), '--json'])
    expect(JSON.parse(halted.stdout)).toMatchObject({ outcome: 'failed', exit: { reason: 'halted' } })
  })

  test('what the guest says and was named ends the run', async () => {
    const ended = await runJson('idle', ['--fail-on', 'idle here', '--until-text', 'never'])
    expect(ended).toMatchObject({ outcome: 'failed', exit: { reason: 'panic' } })
  })

  test('a triple fault and an end in HLT are failures, with the evidence on standard error', async () => {
    const fault = await runJson('tripleFault', ['--until-exit'])
    expect(fault).toMatchObject({ outcome: 'failed', exitCode: 1, exit: { reason: 'triple-fault' } })
    expect(fault.ended.stderr).toMatch(/^bootwright: the CPU shut down in a triple fault\n/)
    expect(fault.ended.stderr).toContain('last screen')
    // INT3 without a vector table: vector 3, then 13, then 8 are beyond the IDT's limit.
    expect(fault.faults?.map(({ vector, errorCode }) => [vector, errorCode])).toEqual([
      [13, 3 * 8 + 2],
      [13, 13 * 8 + 2],
      [8, 0],
      [13, 8 * 8 + 2],
    ])
    expect(fault.ended.stderr).toMatch(
      /last exceptions:\n {2}#GP at 0:7c\w\w, error code 0x1a, after \d+ instructions\n/,
    )
    expect(fault.lastIo?.at(-1)).toMatchObject({ kind: 'write', name: expect.stringContaining('VGA') })
    expect(fault.ended.stderr).toMatch(/last I\/O:\n(.*\n)*? {2}write port 0x3d4 \(VGA CRTC \(colour\)\)/)
    const halt = await runJson('halt', ['--until-exit'])
    expect(halt).toMatchObject({ outcome: 'failed', exitCode: 1, exit: { reason: 'halted' } })
    expect(halt.screen?.text).toContain('halting')
    expect(halt.registers).toMatchObject({ halted: true })
    expect(fault.registers).toMatchObject({ idt: { limit: expect.any(String) } })
  })

  test('a reset is an exit when one is waited for', async () => {
    expect(await runJson('reset', ['--until-exit'])).toMatchObject({ outcome: 'ok', exit: { reason: 'reset' } })
  })
})

describe.skipIf(noFirmware)(`waiting${firmwareNote}`, () => {
  test('acts in the order given, and stops at the byte', async () => {
    const args = ['--until-serial', '>', '--keys', 'abc', '--until-serial', 'b', '--keys', 'd', '--until-serial', 'd$']
    const json = await runJson('echo', args)
    expect(json).toMatchObject({ outcome: 'ok', exit: { reason: 'condition' } })
    expect(json.serial).toEqual([{ port: 'COM1', lines: ['>abcd'] }])
  })

  test('<wait> with a pattern in keys, and text that comes', async () => {
    const ended = await run('idle', ['--keys', "<wait 'idle HERE'i>", '--until-text', '/^IDLE here$/i'])
    expect([ended.code, ended.stdout]).toEqual([0, ''])
    expect(ended.stderr).toMatch(/^ok: /)
  })

  test('a time-out prints the last screen and serial lines, and is 124', async () => {
    const json = await runJson('idle', ['--until-text', 'never', '--timeout', '4s'])
    expect(json).toMatchObject({ outcome: 'timeout', exitCode: 124, exit: { reason: 'timeout' } })
    expect(json.ended.code).toBe(124)
    expect(json).toMatchObject({ format: 'bootwright-exit', version: 1 })
    expect(json.registers).toMatchObject({ eip: expect.stringMatching(/^0x[0-9a-f]{8}$/), cs: { selector: '0x0000' } })
    // SeaBIOS looks for LPT2; this guest touches nothing that is not there.
    expect(json.unhandled).toEqual([])
    expect(json.unhandledByFirmware?.map(({ name }) => name)).toContain('LPT2')
    const { stderr } = json.ended
    expect(stderr).not.toContain('touched, but not there')
    expect(stderr).toContain('the time-out of 4 s came while waiting for the text /never/ on the screen')
    expect(stderr).toContain('idle here')
    expect(stderr).toMatch(/last lines of COM1:\n {2}idle/)
  })

  test('a <wait> that is not met in its guest time is one too', async () => {
    const json = await runJson('idle', ['--keys', "<wait 'never' 2s>", '--until-exit'])
    expect(json).toMatchObject({ outcome: 'timeout', exitCode: 124 })
    expect(json.error).toBe('waited 2 s of guest time for the text /never/ on the screen')
  })
})

test('two runs of the same are the same', async () => {
  const args = ['--until-serial', '>', '--keys', 'abc<wait>x', '--until-serial', 'x']
  const [one, two] = [await runJson('echo', args), await runJson('echo', args)]
  expect(one.instructions).toBe(two.instructions)
  expect(one.guestTimeNs).toBe(two.guestTimeNs)
  expect(one.screen).toEqual(two.screen)
})

describe.skipIf(noFirmware)(`outputs${firmwareNote}`, () => {
  test('a screenshot at the resolution of the guest', async () => {
    const json = await runJson('idle', ['--until-text', 'idle here', '--screenshot', at('idle.png')])
    expect(json.screenshot).toBe(at('idle.png'))
    expect(await readPng(at('idle.png'))).toMatchObject({ width: 720, height: 400 })
  })

  test('a screenshot of a run that failed, too', async () => {
    await run('idle', ['--until-text', 'never', '--timeout', '1s', '--screenshot', at('failed.png')])
    expect(existsSync(at('failed.png'))).toBe(true)
  })

  test('serial output and the debug console in files', async () => {
    const ended = await run('chatter', ['--serial', at('serial.log'), '--debugcon', at('debug.log')])
    expect(ended.code).toBe(0)
    expect(readFileSync(at('serial.log'), 'utf8')).toBe('x'.repeat(8192))
    expect(readFileSync(at('debug.log'), 'utf8')).toContain('SeaBIOS')
  })

  test('serial output on standard output, and on standard error beside JSON', async () => {
    expect((await run('poweroff', ['--serial', 'stdio'])).stdout).toBe('bye\n')
    const { ended } = await runJson('poweroff', ['--serial', 'stdio'])
    expect(ended.stderr).toContain('bye\n')
  })
})

describe.skipIf(noFirmware)(`a snapshot${firmwareNote}`, () => {
  const file = at('echo.snapshot')
  const goOn = (...args: string[]) => inProcess(['run', '--timeout', '60s', ...args])

  test('of one run is where another one goes on', async () => {
    expect((await run('echo', ['--until-serial', '>', '--save-snapshot', file])).code).toBe(0)
    const { code, stdout } = await goOn('--snapshot', file, '--keys', 'ab', '--until-serial', 'ab', '--json')
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ engine: 'soft', serial: [{ port: 'COM1', lines: ['>ab'] }] })
  })

  test('is refused with a medium of other contents, and where it is none', async () => {
    const other = await goOn('--snapshot', file, '--floppy', at('idle.img'))
    expect([other.code, other.stderr]).toEqual([2, expect.stringMatching(/idle\.img" is not the floppy A .* differ/)])
    const none = await goOn('--snapshot', at('echo.img'))
    expect([none.code, none.stderr]).toEqual([
      2,
      expect.stringMatching(/^bootwright: .*echo\.img.* is not a snapshot of bootwright/),
    ])
  })
})

describe.skipIf(noFirmware)(`an image${firmwareNote}`, () => {
  const path = at('written.img')
  const second = () => readFileSync(path).subarray(512, 1024)

  test('is written where that was asked for, and only there', async () => {
    writeFileSync(path, programFloppy('writer'))
    expect((await inProcess(['run', path, '--engine', 'soft'])).code).toBe(0)
    expect(second().every((byte) => byte === 0)).toBe(true)
    expect((await inProcess(['run', path, '--engine', 'soft', '--write'])).code).toBe(0)
    expect(second()).toEqual(readFileSync(path).subarray(0, 512))
  })
})

describe('the command line', () => {
  test.skipIf(noFirmware)('takes an image without an option for what it is', async () => {
    const ended = await bootwright(['run', at('poweroff.img'), '-m', '16', '--boot', 'order=a', '--engine=soft'])
    expect(ended.stderr).toMatch(/^ok, poweroff: guest /)
  })

  test.skipIf(noFirmware)('is interrupted by Ctrl+C with 130 and one object', async () => {
    let sent = false
    const ended = await run('idle', ['--until-text', 'never', '--serial', 'stdio', '--json'], {
      onOutput: (text, signal) => {
        if (!sent && text.includes('idle')) signal('SIGINT')
        sent ||= text.includes('idle')
      },
    })
    expect(ended.code).toBe(130)
    expect(ended.stderr).toMatch(/last screen[\s\S]*idle here[\s\S]*last lines of COM1:\n {2}idle\nregisters:\n {2}EAX/)
    expect(JSON.parse(ended.stdout).registers).toHaveProperty('eip')
    expect(JSON.parse(ended.stdout)).toMatchObject({ outcome: 'error', exitCode: 130, exit: { reason: 'interrupted' } })
  })

  test('--version and --help go to standard output', async () => {
    expect(await bootwright(['--version'])).toMatchObject({ code: 0, stdout: '0.1.0\n', stderr: '' })
    const help = await inProcess(['run', '--help'])
    expect(help.code).toBe(0)
    expect(help.stdout).toContain('--until-serial')
    expect(help.stdout).toContain('Exit codes')
  })

  test.skipIf(noFirmware)('doctor says a line each', async () => {
    const ended = await bootwright(['doctor'])
    expect(ended.stdout).toMatch(/✓ Node\.js/)
    expect(ended.stdout).toMatch(/KVM|\/dev\/kvm/)
    expect(ended.code).toBe(0)
    const without = await bootwright(['doctor'], { env: { BOOTWRIGHT_FIRMWARE: folder } })
    expect(without.stdout).toMatch(/✗ .*BOOTWRIGHT_FIRMWARE/)
    expect(without.code).toBe(3)
  })
})

test('no medium has changed by one byte', () => {
  const hash = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
  for (const name of PROGRAM_NAMES) expect(hash(readFileSync(at(`${name}.img`)))).toBe(hash(programFloppy(name)))
})

describe.skipIf(noFirmware || !existsSync('/dev/full'))(`what is printed and reaches nobody${firmwareNote}`, () => {
  const shell = (line: string) =>
    spawnSync('bash', ['-c', line], { encoding: 'utf8', env: { ...process.env, BOOTWRIGHT_NO_BUILD: '1' } })
  const command = (name: string) =>
    `"${process.execPath}" bin/bootwright.js run --engine soft --floppy "${at(`${name}.img`)}"`

  test('is an error where the disk is full', () => {
    const { status, stderr } = shell(`${command('exit0')} --until-exit --json > /dev/full`)
    expect([status, stderr.trim().split('\n').at(-1)]).toEqual([
      3,
      'bootwright: standard output: the disk is full; make room and run it again',
    ])
  })

  test('changes nothing of the exit code where the reader of standard error has gone', () => {
    const line = `${command('idle')} --until-text never --timeout 1s`
    expect(shell(`${line} 2>&1 >/dev/null | true; echo \${PIPESTATUS[0]}`).stdout).toBe('124\n')
  })
})
