import { describe, expect, test } from 'vitest'
import {
  cacheFolder,
  type FirmwareHost,
  FirmwareMissingError,
  findFirmware,
  findUefi,
  firmwareFolders,
  firmwareVersion,
} from '../../../machine/firmware/find-firmware.js'

function bios(version = '1.16.2-debian-1.16.2-1'): Uint8Array {
  const image = new Uint8Array(262144)
  image[image.length - 16] = 0xea
  image.set(new TextEncoder().encode(`\0SeaBIOS (version %s)\0${version}\0`), 1000)
  return image
}

function vgaBios(version = 'rel-1.16.3-0-ga6ed6b7'): Uint8Array {
  const image = new Uint8Array(39936)
  image.set([0x55, 0xaa, image.length / 512])
  image.set(new TextEncoder().encode(`\0${version}\0`), 1000)
  return image
}

function host(files: { [path: string]: Uint8Array }, env: { [name: string]: string } = {}): FirmwareHost {
  return {
    env,
    home: '/home/me',
    exists: (path) => path in files,
    read: (path) => files[path],
    list: (folder) => [
      ...new Set(
        Object.keys(files)
          .filter((path) => path.startsWith(`${folder}/`))
          .map((path) => path.slice(folder.length + 1).split('/')[0]),
      ),
    ],
  }
}

describe('finding firmware', () => {
  test('takes the first of cache, distribution and QEMU folders, with versions', () => {
    const files = {
      '/usr/share/seabios/bios-256k.bin': bios(),
      '/usr/share/qemu/bios-256k.bin': bios('9.9.9'),
      '/usr/share/qemu/vgabios-stdvga.bin': vgaBios(),
      '/usr/share/vgabios/vgabios-stdvga.bin': vgaBios('0.8.0'),
    }
    expect(findFirmware(host(files))).toEqual({
      bios: { path: '/usr/share/seabios/bios-256k.bin', version: '1.16.2-debian-1.16.2-1' },
      vgaBios: { path: '/usr/share/qemu/vgabios-stdvga.bin', version: '1.16.3-0-ga6ed6b7' },
    })
    const cached = { ...files, '/home/me/.cache/bootwright/firmware/bios-256k.bin': bios('1.17.0') }
    expect(findFirmware(host(cached)).bios.version).toBe('1.17.0')
  })

  test('BOOTWRIGHT_FIRMWARE is the only place looked at when it is set', () => {
    const files = {
      '/usr/share/seabios/bios-256k.bin': bios(),
      '/usr/share/seabios/vgabios-stdvga.bin': vgaBios(),
      '/own/bios-256k.bin': bios('rel-1.15.0'),
    }
    expect(() => findFirmware(host(files, { BOOTWRIGHT_FIRMWARE: '/own' }))).toThrow(
      'The firmware VGABIOS (vgabios-stdvga.bin) was not found in the folder /own that BOOTWRIGHT_FIRMWARE names: ' +
        "correct it, or unset it and run 'bootwright setup'.",
    )
    const own = { ...files, '/own/vgabios-stdvga.bin': vgaBios() }
    expect(findFirmware(host(own, { BOOTWRIGHT_FIRMWARE: '/own' })).bios).toEqual({
      path: '/own/bios-256k.bin',
      version: '1.15.0',
    })
  })

  test('the newest QEMU of a Nix store is found', () => {
    const folder = (name: string): string => `/nix/store/${'a'.repeat(32)}-${name}/share/qemu`
    const folders = firmwareFolders(
      host({
        [`${folder('qemu-9.1.2')}/bios-256k.bin`]: bios(),
        [`${folder('qemu-10.0.0')}/bios-256k.bin`]: bios(),
        [`${folder('qemu-9.1.2-doc')}/x`]: bios(),
      }),
    )
    expect(folders.slice(-2)).toEqual([folder('qemu-10.0.0'), folder('qemu-9.1.2')])
  })

  test('a missing file makes one sentence: which file, where it was looked for, and what to do', () => {
    try {
      findFirmware(host({}))
      expect.unreachable()
    } catch (error) {
      if (!(error instanceof FirmwareMissingError)) throw error
      expect(error.file).toBe('bios-256k.bin')
      expect(error.message).toMatch(/^The firmware SeaBIOS \(bios-256k\.bin\) was not found in \/home\/me\/\.cache/)
      expect(error.message).toMatch(/\/usr\/share\/seabios.*: run 'bootwright setup' or set BOOTWRIGHT_FIRMWARE\.$/)
    }
  })

  test('a file that is no firmware is passed over and named', () => {
    const files = {
      '/usr/share/seabios/bios-256k.bin': new Uint8Array(100),
      '/usr/share/seabios/vgabios-stdvga.bin': vgaBios(),
    }
    expect(() => findFirmware(host(files))).toThrow(/\(\/usr\/share\/seabios\/bios-256k\.bin is not SeaBIOS\)/)
    expect(findFirmware(host({ ...files, '/usr/share/qemu/bios-256k.bin': bios() })).bios.path).toContain('qemu')
  })

  test('UEFI is code and variables that belong together, or a sentence', () => {
    const both = (folder: string, ...names: string[]) =>
      Object.fromEntries(names.map((name) => [`${folder}/${name}`, new Uint8Array(1)]))
    const older = both('/usr/share/OVMF', 'OVMF_CODE_4M.fd', 'OVMF_CODE.fd', 'OVMF_VARS.fd')
    expect(findUefi(false, host(older))).toEqual({
      code: '/usr/share/OVMF/OVMF_CODE.fd',
      variables: '/usr/share/OVMF/OVMF_VARS.fd',
    })
    const own = both('/own', 'OVMF_CODE_4M.fd', 'OVMF_VARS_4M.fd')
    expect(findUefi(false, host({ ...older, ...own }, { BOOTWRIGHT_FIRMWARE: '/own' })).code).toBe(
      '/own/OVMF_CODE_4M.fd',
    )
    expect(() => findUefi(false, host({}))).toThrow(
      /^UEFI firmware .* was not found in .*: install Debian's package ovmf/,
    )
    expect(() => findUefi(true, host(older))).toThrow(
      /^UEFI firmware with Secure Boot \(OVMF_CODE_4M.fd with OVMF_VARS_4M.ms.fd\)/,
    )
    const keys = both('/usr/share/OVMF', 'OVMF_VARS_4M.ms.fd')
    expect(findUefi(true, host({ ...older, ...keys })).variables).toBe('/usr/share/OVMF/OVMF_VARS_4M.ms.fd')
  })

  test('the cache follows XDG_CACHE_HOME', () => {
    expect(cacheFolder({ env: { XDG_CACHE_HOME: '/x' }, home: '/home/me' })).toBe('/x/bootwright')
    expect(cacheFolder({ env: {}, home: '/home/me' })).toBe('/home/me/.cache/bootwright')
  })

  test('an image without a version has an unknown one', () => {
    expect(firmwareVersion(new Uint8Array(1000))).toBe('unknown')
  })
})
