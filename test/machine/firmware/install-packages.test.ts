import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Firmware } from '../../../machine/firmware/find-firmware.js'
import {
  type CommandResult,
  ensurePackage,
  installFirmware,
  PackageError,
  type RunCommand,
} from '../../../machine/firmware/install-packages.js'

const OK: CommandResult = { code: 0, stdout: '', stderr: '', timedOut: false }
const failed = (stderr: string): CommandResult => ({ ...OK, code: 100, stderr })
const firmware: Firmware = { bios: { path: '/b', version: '1' }, vgaBios: { path: '/v', version: '1' } }

let cache: string
beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), 'bootwright-packages-'))
})
afterEach(() => rmSync(cache, { recursive: true }))

/** A host whose commands are answered by `answer`; what they are is kept in `said`. */
function host(answer: (line: string, cwd: string) => CommandResult = () => OK, more: object = {}) {
  const said: string[] = []
  const run: RunCommand = async (command, args, options) => {
    const line = [command, ...args].join(' ')
    said.push(line)
    expect(options.timeoutMs).toBeGreaterThan(0)
    return answer(line, options.cwd ?? '')
  }
  const commands = ['apt-get', 'dpkg-deb']
  const installed = new Set<string>()
  return {
    said,
    installed,
    options: {
      run,
      cache,
      isRoot: true,
      exists: (path: string) => installed.has(path) || (path.startsWith(cache) && existsSync(path)),
      hasCommand: (command: string) => commands.includes(command),
      ...more,
    },
  }
}

/** What `apt-get download` and `dpkg-deb -x` leave behind. */
function unpacking(files: string[]) {
  return (line: string, cwd: string): CommandResult => {
    if (/ download /.test(line)) writeFileSync(join(cwd, 'p_1_all.deb'), '')
    if (line.startsWith('dpkg-deb')) {
      expect(line).toBe('dpkg-deb -x p_1_all.deb tree')
      for (const file of files) {
        mkdirSync(join(cwd, 'tree', file, '..'), { recursive: true })
        writeFileSync(join(cwd, 'tree', file), '')
      }
    }
    return OK
  }
}

describe('ensuring a package', () => {
  test('runs nothing when the system has its files', async () => {
    const { said, installed, options } = host()
    installed.add('/boot/x.bin')
    const found = await ensurePackage('x-tool', { files: ['/boot/x.bin'], ...options })
    expect(found.path('/boot/x.bin')).toBe('/boot/x.bin')
    expect(() => found.path('/boot/other')).toThrow(PackageError)
    expect(said).toEqual([])
  })

  test('as root updates the lists once and installs', async () => {
    const { said, installed, options } = host((line) => {
      if (/ install /.test(line)) installed.add(`/f/${line.split(' ').at(-1)}`)
      return OK
    })
    await ensurePackage('one', { files: ['/f/one'], ...options })
    await ensurePackage('two', { files: ['/f/two'], ...options })
    expect(said).toEqual([
      'apt-get update',
      'apt-get install -y --no-install-recommends one',
      'apt-get install -y --no-install-recommends two',
    ])
  })

  test('without root unpacks into the cache, and finds it there the next time', async () => {
    const { said, options } = host(unpacking(['/boot/x.bin']), { isRoot: false })
    const found = await ensurePackage('x-tool', { files: ['/boot/x.bin'], ...options })
    expect(found.path('/boot/x.bin')).toBe(join(cache, 'packages/x-tool/boot/x.bin'))
    expect(said).toEqual(['apt-get download x-tool', 'dpkg-deb -x p_1_all.deb tree'])
    expect(readdirSync(join(cache, 'packages'))).toEqual(['x-tool']) // nothing half-done is left
    await ensurePackage('x-tool', { files: ['/boot/x.bin'], ...options })
    expect(said).toHaveLength(2)
  })

  test('as root unpacks one that would change the host', async () => {
    const { said, options } = host(unpacking(['/boot/x.bin']), { isRoot: true })
    await ensurePackage('x-tool', { files: ['/boot/x.bin'], unpackOnly: true, ...options })
    expect(said).toEqual(['apt-get download x-tool', 'dpkg-deb -x p_1_all.deb tree'])
  })

  test('without package lists fetches its own into the cache', async () => {
    const unpack = unpacking(['/boot/x.bin'])
    const { said, options } = host(
      (line, cwd) =>
        line === 'apt-get download x-tool' ? failed('E: Unable to locate package x-tool') : unpack(line, cwd),
      { isRoot: false },
    )
    await ensurePackage('x-tool', { files: ['/boot/x.bin'], ...options })
    const own = `apt-get -o Dir::State=${cache}/apt/state -o Dir::Cache=${cache}/apt/cache -o Dir::State::status=/var/lib/dpkg/status`
    expect(said.slice(1, 3)).toEqual([`${own} update`, `${own} download x-tool`])
    expect(existsSync(join(cache, 'apt/state/lists/partial'))).toBe(true)
  })

  test.each([
    [
      failed("W: Failed to fetch http://x\nE: Temporary failure resolving 'mirror.example'"),
      /server cannot be reached/,
    ],
    [failed('E: Unable to locate package x-tool.'), /failed: Unable to locate package x-tool\.$/],
    [failed('E: Could not get lock /var/lib/dpkg/lock-frontend'), /another package manager is running/],
    [{ ...OK, code: undefined, timedOut: true }, /took too long/],
    [{ ...OK, code: 1 }, /it gave no reason/],
  ])('says in one sentence what failed: %#', async (result, message) => {
    for (const isRoot of [true, false]) {
      const { options } = host((line) => (/ (install|download) /.test(line) ? result : OK), { isRoot })
      await expect(ensurePackage('x-tool', { files: ['/x'], ...options })).rejects.toThrow(message)
    }
    expect(readdirSync(cache).includes('packages') ? readdirSync(join(cache, 'packages')) : []).toEqual([])
  })

  test('a root offline hears that from the failed update', async () => {
    const { options } = host((line) =>
      line === 'apt-get update'
        ? failed('W: Could not connect to mirror.example:80')
        : failed('E: Unable to locate package'),
    )
    await expect(ensurePackage('x-tool', { files: ['/x'], ...options })).rejects.toThrow(/server cannot be reached/)
  })

  test('refuses odd names, hosts without apt and packages that lack the file', async () => {
    const { said, options } = host()
    await expect(ensurePackage('-o=x', { files: [], ...options })).rejects.toThrow(PackageError)
    await expect(ensurePackage('x-tool', { files: ['/x'], ...options, hasCommand: () => false })).rejects.toThrow(
      /no apt-get here/,
    )
    expect(said).toEqual([])
    await expect(ensurePackage('x-tool', { files: ['/x', '/y'], ...options })).rejects.toThrow('has no /x, /y.')
  })
})

describe('installing firmware', () => {
  const missing = (): Firmware => {
    throw new Error('missing')
  }

  test('does nothing when it is there', async () => {
    const { said, options } = host()
    expect(await installFirmware({ ...options, firmware: () => firmware })).toBe(firmware)
    expect(said).toEqual([])
  })

  test("uses the distribution's own command as root, and names it otherwise", async () => {
    let there = false
    const { said, options } = host(
      () => {
        there = true
        return OK
      },
      { hasCommand: (command: string) => command === 'dnf', firmware: () => (there ? firmware : missing()) },
    )
    await expect(installFirmware({ ...options, isRoot: false })).rejects.toThrow(
      "SeaBIOS is not installed: run 'sudo dnf install -y seabios-bin seavgabios-bin'.",
    )
    expect(said).toEqual([])
    expect(await installFirmware(options)).toBe(firmware)
    expect(said).toEqual(['dnf install -y seabios-bin seavgabios-bin'])
  })

  test('on Debian takes the package seabios', async () => {
    let found: () => Firmware = missing
    const { said, installed, options } = host((line) => {
      if (/ install /.test(line)) {
        for (const file of ['bios-256k', 'vgabios-stdvga']) installed.add(`/usr/share/seabios/${file}.bin`)
        found = () => firmware
      }
      return OK
    })
    expect(await installFirmware({ ...options, firmware: () => found() })).toBe(firmware)
    expect(said.at(-1)).toBe('apt-get install -y --no-install-recommends seabios')
  })

  test('without any package manager says what to do by hand', async () => {
    const { options } = host(undefined, { hasCommand: () => false, firmware: missing })
    await expect(installFirmware(options)).rejects.toThrow(/set BOOTWRIGHT_FIRMWARE/)
  })
})
