import { expect, test } from 'vitest'
import { FirmwareAccesses } from '../../../harness/runtime/firmware-accesses.js'
import type { UnhandledAccess } from '../../../machine/report.js'

const port = (address: number, reads: number, writes = 0): UnhandledAccess => ({ kind: 'port', address, reads, writes })

test('what was touched before the firmware handed over is its own, at each boot', () => {
  let all = [port(0x278, 1, 1), port(0x388, 2)]
  const accesses = new FirmwareAccesses(() => all)
  const say = (text: string) => {
    for (const letter of text) accesses.byte(letter.charCodeAt(0))
  }
  // Where it never hands over, all that was touched is worth to be seen.
  say('SeaBIOS\nBoot menu\nBBooting')
  expect(accesses.others(all)).toEqual(all)
  say(' from Floppy...\n')
  expect(accesses.others(all)).toEqual([])
  all = [port(0x278, 1, 1), port(0x388, 5), port(0x300, 1)]
  say('Booting from what the guest says\n')
  expect(accesses.others(all)).toEqual([port(0x388, 3), port(0x300, 1)])
  const saved = accesses.save()

  accesses.began()
  all = [port(0x278, 2, 2), port(0x388, 7), port(0x300, 1)]
  say('Booting from Hard Disk...\n')
  expect(accesses.others(all)).toEqual([port(0x388, 3), port(0x300, 1)])
  expect(accesses.own()).toEqual([port(0x278, 2, 2), port(0x388, 4)])

  const other = new FirmwareAccesses(() => all)
  other.load(saved)
  expect(other.own()).toEqual([port(0x278, 1, 1), port(0x388, 2)])
})
