import { describe, expect, test } from 'vitest'
import { complaint, HostError, UsageError } from '../../../harness/cli/errors.js'
import { MissingMediaError } from '../../../harness/guest/guest-media.js'
import { plainError } from '../../../harness/protocol/messages.js'
import { VmError } from '../../../harness/thread/errors.js'
import { formatProgress } from '../../../harness/words/progress-words.js'
import { EngineUnavailableError } from '../../../machine/cpu/create-engine.js'
import { BootImageError } from '../../../machine/firmware/boot-rom.js'
import { FirmwareMissingError } from '../../../machine/firmware/find-firmware.js'
import { MediaError } from '../../../machine/media/open-medium.js'

/** As it comes from the machine's thread. */
const remote = (error: Error) => new VmError(structuredClone(plainError(error)))
const system = (code: string, path?: string) => Object.assign(new Error('write'), { code, path })

describe('exit codes', () => {
  test.each([
    ['wrong use', new UsageError('Why.'), 2],
    ['a medium, told by another thread', remote(new MediaError('Why.')), 2],
    ['a kernel, told by another thread', remote(new BootImageError('Why.')), 2],
    ['the host', new HostError('Why.'), 3],
    ['firmware', remote(new FirmwareMissingError('Why.', 'bios.bin', [])), 3],
    ['no access to /dev/kvm', new EngineUnavailableError('Why.'), 3],
    ['no access to /dev/kvm, told by another thread', remote(new EngineUnavailableError('Why.')), 3],
    ['guest media that are not there', remote(new MissingMediaError('Why.')), 3],
  ])('%s', (_, error, exitCode) => {
    expect(complaint(error)).toEqual({ message: 'Why.', exitCode })
  })

  test('a full disk names the file', () => {
    expect(complaint(system('ENOSPC', '/tmp/a'))).toMatchObject({
      exitCode: 3,
      message: expect.stringMatching(/^\/tmp\/a: the disk is full/),
    })
  })

  test('memory that is not to be had', () => {
    const error = remote(new RangeError('WebAssembly.Memory(): could not allocate memory'))
    expect(complaint(error)).toMatchObject({
      exitCode: 3,
      message: expect.stringMatching(/^the host has not enough memory/),
    })
  })

  test('a bug is told in one line', () => {
    const { message, exitCode } = complaint(new TypeError('x is not a function\nmore'))
    expect([exitCode, message.split('\n').length]).toEqual([3, 1])
    expect(message).toContain('internal error: x is not a function (set BOOTWRIGHT_DEBUG=1')
    expect(complaint('just words').message).toContain('just words')
  })
})

describe('the progress line', () => {
  const before = { guestTimeNs: 1e9, instructions: 1e6, hostMs: 1000, lastLine: '' }
  const now = { guestTimeNs: 1.5e9, instructions: 11e6, hostMs: 1200, lastLine: 'C:\\>dir' }

  test('shows guest time, the speed since the last one, and the last line', () => {
    expect(formatProgress(now, before, { columns: 80, color: false })).toBe('1.5 s 50 MIPS 2.50x  C:\\>dir')
    expect(formatProgress({ ...now, instructions: 0 }, undefined, { columns: 80, color: false })).toBe(
      '1.5 s 1.25x  C:\\>dir',
    )
  })

  test('is never wider than the terminal', () => {
    expect(formatProgress(now, before, { columns: 26, color: false })).toHaveLength(25)
    expect(formatProgress(now, before, { columns: 4, color: false }).length).toBeLessThan(24)
  })

  test('has colours where they are wanted', () => {
    expect(formatProgress(now, before, { columns: 80, color: true })).toContain('\x1b[2m')
  })
})
