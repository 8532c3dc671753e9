import { describe, expect, test, vi } from 'vitest'
import { ManualClock } from '../../../../machine/clock.js'
import { Mc146818 } from '../../../../machine/devices/timer/mc146818.js'
import { describeMachine } from '../../../../machine/firmware/tables/cmos.js'
import { loadState, saveState } from '../../../../machine/state/state-table.js'

const SECOND = 1e9
/** 2024-02-28 23:59:58 UTC, a Wednesday. */
const EPOCH = Date.UTC(2024, 1, 28, 23, 59, 58) / 1000

function setup(epochSeconds = EPOCH) {
  const clock = new ManualClock()
  const edges: number[] = []
  let level = false
  const nmiMask = vi.fn()
  const alarm = vi.fn()
  const rtc = new Mc146818({
    clock,
    epochSeconds,
    nmiMask,
    alarm,
    extendedBank: true,
    irq: (next) => {
      if (next && !level) edges.push(clock.now())
      level = next
    },
  })
  const [main, extended] = rtc.ports
  const read = (index: number) => {
    main.write(0, index, 1)
    return main.read(1, 1)
  }
  const write = (index: number, value: number) => {
    main.write(0, index, 1)
    main.write(1, value, 1)
  }
  /** Year (with century), month, day, weekday, hours, minutes, seconds, in hexadecimal. */
  const time = () => [0x32, 9, 8, 7, 6, 4, 2, 0].map((i) => read(i).toString(16).padStart(2, '0')).join(' ')
  return { clock, rtc, edges, nmiMask, main, extended, read, write, time, alarm, level: () => level }
}

describe('time', () => {
  test('runs over the end of a leap February', () => {
    const { clock, time } = setup()
    expect(time()).toBe('20 24 02 28 04 23 59 58')
    clock.advance(2 * SECOND)
    expect(time()).toBe('20 24 02 29 05 00 00 00')
    clock.advance(86400 * SECOND)
    expect(time()).toBe('20 24 03 01 06 00 00 00')
  })

  test('agrees with the calendar in every month of four centuries', () => {
    for (let year = 1970; year < 2370; year += 7) {
      for (let month = 0; month < 12; month++) {
        const date = new Date(Date.UTC(year, month, 1 + ((year + month) % 31), 12))
        const { read } = setup(date.getTime() / 1000)
        const bcd = (n: number) => Number.parseInt(read(n).toString(16), 10)
        const shown = [bcd(0x32) * 100 + bcd(9), bcd(8), bcd(7), bcd(6)]
        expect(shown).toEqual([date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate(), date.getUTCDay() + 1])
      }
    }
  })

  test('binary and 12-hour formats', () => {
    const { read, write } = setup()
    write(0x0b, 0x06)
    expect([read(4), read(2), read(7)]).toEqual([23, 59, 28])
    write(0x0b, 0x00)
    expect(read(4)).toBe(0x91)
    write(4, 0x12) // 12 a.m.
    write(0x0b, 0x02)
    expect(read(4)).toBe(0x00)
  })

  test('SET stops it, the guest sets it, and the fraction of the second goes on', () => {
    const { clock, read, write, time } = setup()
    clock.advance(0.4 * SECOND)
    write(0x0b, 0x82)
    for (const [index, value] of [
      [0x32, 0x19],
      [9, 0x99],
      [8, 0x12],
      [7, 0x31],
      [4, 0x23],
      [2, 0x59],
      [0, 0x59],
    ]) {
      write(index, value)
    }
    clock.advance(3 * SECOND)
    expect(read(0)).toBe(0x59)
    write(0x0b, 0x02)
    clock.advance(0.59 * SECOND)
    expect(read(0)).toBe(0x59)
    clock.advance(0.02 * SECOND)
    expect(time()).toBe('20 00 01 01 07 00 00 00')
  })

  test('out of divider reset the first update comes after half a second', () => {
    const { clock, read, write } = setup()
    clock.advance(0.3 * SECOND)
    write(0x0a, 0x70)
    clock.advance(5 * SECOND)
    expect(read(0)).toBe(0x58)
    write(0x0a, 0x26)
    clock.advance(0.499 * SECOND)
    expect(read(0)).toBe(0x58)
    clock.advance(0.002 * SECOND)
    expect(read(0)).toBe(0x59)
  })

  test('the PS/2 century byte is another name of 32h', () => {
    const { read, write } = setup()
    expect(read(0x37)).toBe(0x20)
    write(0x37, 0x19)
    expect(read(0x32)).toBe(0x19)
  })

  test('nonsense in BCD registers is survived', () => {
    const { read, write, clock } = setup()
    for (let index = 0; index <= 9; index++) write(index, 0xff)
    clock.advance(SECOND)
    for (let index = 0; index <= 9; index++) expect(read(index)).toBeLessThanOrEqual(0xff)
  })
})

describe('UIP', () => {
  test('is up for the last 244 µs of each second, and the time turns when it falls', () => {
    const { clock, read } = setup()
    clock.advance(SECOND - 245_000)
    expect(read(0x0a)).toBe(0x26)
    clock.advance(2_000)
    expect(read(0x0a)).toBe(0xa6)
    expect(read(0)).toBe(0x58)
    clock.advance(243_000)
    expect(read(0x0a)).toBe(0x26)
    expect(read(0)).toBe(0x59)
  })

  test('a loop that waits for it to rise and fall is in step with the second', () => {
    const { clock, read } = setup()
    while (!(read(0x0a) & 0x80)) clock.advance(50_000)
    while (read(0x0a) & 0x80) clock.advance(50_000)
    expect(clock.now() % SECOND).toBeLessThan(50_000)
  })

  test('never rises while SET', () => {
    const { clock, read, write } = setup()
    write(0x0b, 0x82)
    clock.advance(SECOND - 1000)
    expect(read(0x0a)).toBe(0x26)
  })
})

describe('interrupts', () => {
  test('periodic at 1024 Hz: each needs register C, and none is lost or early', () => {
    const { clock, edges, read, write } = setup()
    read(0x0c)
    write(0x0b, 0x42)
    const end = 2 * SECOND
    while (clock.now() < end) {
      clock.advance(100_000)
      if (edges.length && read(0x0c) & 0x80) expect(read(0x0c)).toBe(0)
    }
    expect(edges.length).toBe(2048)
    expect(edges[1023]).toBe(SECOND)
    expect(edges[0]).toBe(Math.ceil(SECOND / 1024))
  })

  test('an ignored interrupt costs no more events', () => {
    const { clock, edges, write } = setup()
    write(0x0b, 0x42)
    clock.advance(10 * SECOND)
    expect(edges.length).toBe(1)
    expect(clock.nextDeadline()).toBe(Number.POSITIVE_INFINITY)
  })

  test('flags are set without being enabled, and without timers', () => {
    const { clock, edges, read, write } = setup()
    read(0x0c)
    expect(clock.nextDeadline()).toBe(Number.POSITIVE_INFINITY)
    clock.advance(1.5 * SECOND)
    expect(read(0x0c)).toBe(0x50)
    write(0x0a, 0x20)
    expect(read(0x0c)).toBe(0)
    clock.advance(0.6 * SECOND)
    expect(read(0x0c) & 0xd0).toBe(0x10)
    expect(edges).toEqual([])
  })

  test('update-ended comes with the new second', () => {
    const { clock, edges, read, write } = setup()
    clock.advance(0.25 * SECOND)
    write(0x0b, 0x12)
    clock.advance(SECOND)
    expect(edges).toEqual([SECOND])
    expect(read(0x0c) & 0x90).toBe(0x90)
    expect(read(0)).toBe(0x59)
    clock.advance(SECOND)
    expect(edges).toEqual([SECOND, 2 * SECOND])
  })

  test('alarm at a time of day, and every minute with wildcards', () => {
    const { clock, edges, read, write } = setup()
    write(5, 0x00)
    write(3, 0x00)
    write(1, 0x05)
    write(0x0b, 0x22)
    clock.advance(3600 * SECOND)
    expect(edges).toEqual([7 * SECOND])
    write(5, 0xc0)
    write(3, 0xff)
    expect(read(0x0c) & 0xa0).toBe(0xa0)
    clock.advance(60 * SECOND)
    expect(edges[1]).toBe(3607 * SECOND)
  })

  test('an enabled alarm is announced each time, though nobody answers the interrupt', () => {
    const { clock, rtc, write, alarm, edges } = setup()
    for (const index of [1, 3, 5]) write(index, 0xc0)
    clock.advance(2 * SECOND)
    expect(alarm).not.toHaveBeenCalled()
    expect(rtc.alarmDue).toBe(Number.POSITIVE_INFINITY)
    write(0x0b, 0x22)
    expect(rtc.alarmDue).toBe(3 * SECOND)
    clock.advance(3 * SECOND)
    expect(alarm).toHaveBeenCalledTimes(3)
    expect(edges).toHaveLength(1)
  })

  test('an alarm that can never match arms nothing', () => {
    const { clock, write } = setup()
    write(3, 0x77)
    write(0x0b, 0x22)
    expect(clock.nextDeadline()).toBe(Number.POSITIVE_INFINITY)
  })

  test('enabling a flag that is up raises the line at once', () => {
    const { clock, write, level } = setup()
    clock.advance(1.5 * SECOND)
    expect(level()).toBe(false)
    write(0x0b, 0x12)
    expect(level()).toBe(true)
    write(0x0b, 0x02)
    expect(level()).toBe(false)
  })
})

describe('memory', () => {
  test('bytes keep what is written, through reset; registers C and D do not', () => {
    const { rtc, read, write } = setup()
    write(0x40, 0x5a)
    write(0x0d, 0x00)
    write(0x0b, 0x72)
    rtc.reset()
    expect([read(0x40), read(0x0d), read(0x0b)]).toEqual([0x5a, 0x80, 0x02])
  })

  test('bit 7 of the index is the NMI mask', () => {
    const { main, read, nmiMask } = setup()
    read(0x8f)
    expect(nmiMask.mock.lastCall).toEqual([true])
    expect(main.read(0, 1)).toBe(0xff)
  })

  test('the upper bank', () => {
    const { rtc, extended } = setup()
    extended.write(0, 0x11, 1)
    extended.write(1, 0x77, 1)
    expect(extended.read(1, 1)).toBe(0x77)
    expect(rtc.getCmos(0x91)).toBe(0x77)
  })
})

describe('describeMachine', () => {
  const describeIt = (machine: Parameters<typeof describeMachine>[1]) => {
    const cmos = new Uint8Array(128)
    const setCmos = (index: number, value: number) => {
      cmos[index] = value
    }
    describeMachine({ setCmos }, machine)
    return cmos
  }

  test('256 MiB, one floppy, a disk', () => {
    const cmos = describeIt({
      memoryBytes: 256 << 20,
      floppyTypes: [1440, 'none'],
      bootOrder: ['disk', 'cdrom'],
      cpus: 2,
      disks: [{ cylinders: 20, heads: 16, sectors: 63 }],
    })
    expect(cmos[0x10]).toBe(0x40)
    expect(cmos[0x12]).toBe(0xf0)
    expect(cmos[0x14]).toBe(0x07)
    expect([cmos[0x15], cmos[0x16]]).toEqual([0x80, 0x02])
    expect([cmos[0x17], cmos[0x18], cmos[0x30], cmos[0x31]]).toEqual([0xff, 0xff, 0xff, 0xff])
    expect([cmos[0x34], cmos[0x35]]).toEqual([0x00, 0x0f])
    expect([cmos[0x3d], cmos[0x38]]).toEqual([0x32, 0x00])
    expect(cmos[0x5f]).toBe(1)
    expect(Array.from(cmos.subarray(0x1b, 0x24))).toEqual([20, 0, 16, 0xff, 0xff, 0xc8, 20, 0, 63])
    expect([cmos[0x19], cmos[0x39]]).toEqual([47, 0])
  })

  // As `qemu-system-i386` 7.2 has it for `-hda` of 10 MB and `-hdb` of 5 GB.
  test('two disks, the second too large for its geometry', () => {
    const cmos = describeIt({
      memoryBytes: 256 << 20,
      disks: [
        { cylinders: 20, heads: 16, sectors: 63 },
        { cylinders: 9688, heads: 16, sectors: 63 },
      ],
    })
    expect([cmos[0x12], cmos[0x39]]).toEqual([0xff, 0x04])
    expect(Array.from(cmos.subarray(0x24, 0x2d))).toEqual([0xd8, 0x25, 0x10, 0xff, 0xff, 0xc8, 0xd8, 0x25, 0x3f])
  })

  test('6 GiB lie half below and half above the hole', () => {
    const cmos = describeIt({ memoryBytes: 6 * 2 ** 30 })
    expect(cmos[0x34] | (cmos[0x35] << 8)).toBe((3 * 2 ** 30 - 2 ** 24) / 65536)
    expect(cmos[0x5b] | (cmos[0x5c] << 8) | (cmos[0x5d] << 16)).toBe((3 * 2 ** 30) / 65536)
  })

  test('4 MiB and two floppies', () => {
    const cmos = describeIt({ memoryBytes: 4 << 20, floppyTypes: [1440, 2880] })
    expect([cmos[0x10], cmos[0x14]]).toEqual([0x45, 0x47])
    expect(cmos[0x17] | (cmos[0x18] << 8)).toBe(3072)
    expect([cmos[0x34], cmos[0x35]]).toEqual([0, 0])
  })
})

test('a restore with a periodic interrupt armed continues identically', () => {
  const a = setup()
  a.write(0x0b, 0x52)
  a.clock.advance(0.1234 * SECOND)
  a.read(0x0c)
  const b = setup(0)
  b.clock.advance(0.1234 * SECOND)
  loadState(b.rtc, structuredClone(saveState(a.rtc)))
  a.edges.length = 0
  for (const { clock, read } of [a, b]) {
    for (let i = 0; i < 5; i++) {
      clock.advance(SECOND / 1000)
      read(0x0c)
    }
  }
  expect(a.edges.length).toBe(5)
  expect(b.edges).toEqual(a.edges)
  expect(b.time()).toBe(a.time())
})
