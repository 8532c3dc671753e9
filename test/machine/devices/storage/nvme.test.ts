import { describe, expect, test } from 'vitest'
import type { BlockDevice } from '../../../../machine/media/block-device.js'
import { MediumError } from '../../../../machine/media/block-device.js'
import { MemoryMedium } from '../../../../machine/media/memory.js'
import { PciCard } from '../net/pci-bench.js'

// Admin commands, and those of the NVM set
const [CREATE_SQ, CREATE_CQ, IDENTIFY, SET_FEATURES] = [1, 5, 6, 9]
const [FLUSH, WRITE, READ, WRITE_ZEROES, DATASET_MANAGEMENT] = [0, 1, 2, 8, 9]
/** Where the queues are: of submission and completion queue `n`. */
const submissions = (n: number) => 0x1_0000 + 0x4000 * n
const completions = (n: number) => 0x1_2000 + 0x4000 * n
const ENTRIES = 8
const DATA = 0x4_0000
const LIST = 0x8_0000

interface Command {
  opcode: number
  namespace?: number
  prp1?: number
  prp2?: number
  words?: readonly number[]
}

function patterned(readOnly = false): MemoryMedium {
  const medium = new MemoryMedium(1 << 20, { readOnly })
  for (let i = 0; i < medium.size; i++) medium.data[i] = (i * 7 + (i >> 9)) & 0xff
  return medium
}

/** A controller that its driver has enabled, with a pair of queues for reading and writing. */
class Driver extends PciCard {
  private readonly tails = [0, 0]
  private readonly heads = [0, 0]
  private id = 0

  constructor(medium: BlockDevice = patterned()) {
    super('nvme', undefined, 0, { drive: 'disk0', serial: 'A serial' }, (kind) =>
      kind === 'block' ? medium : undefined,
    )
    this.enable()
  }

  enable(): void {
    this.writeMmio(0x14, 0, 4)
    for (const n of [0, 1]) {
      this.poke(submissions(n), new Uint8Array(0x3000))
      this.tails[n] = this.heads[n] = 0
    }
    this.writeMmio(0x24, (ENTRIES - 1) | ((ENTRIES - 1) << 16), 4)
    this.writeMmio(0x28, submissions(0), 4)
    this.writeMmio(0x30, completions(0), 4)
    this.writeMmio(0x14, 0x0046_0001, 4)
  }

  addQueues(): this {
    const size = (ENTRIES - 1) << 16
    expect(this.run(0, { opcode: CREATE_CQ, prp1: completions(1), words: [size | 1, 3] }).status).toBe(0)
    expect(this.run(0, { opcode: CREATE_SQ, prp1: submissions(1), words: [size | 1, (1 << 16) | 1] }).status).toBe(0)
    return this
  }

  submit(queue: number, { opcode, namespace = 0, prp1 = 0, prp2 = 0, words = [] }: Command): void {
    const at = submissions(queue) + 64 * this.tails[queue]
    this.poke(at, new Uint8Array(64))
    this.poke32(at, opcode | (++this.id << 16), namespace)
    this.poke32(at + 24, prp1, 0, prp2, 0, ...words)
    this.tails[queue] = (this.tails[queue] + 1) % ENTRIES
    this.writeMmio(0x1000 + 8 * queue, this.tails[queue], 4)
  }

  completion(queue: number) {
    const at = completions(queue) + 16 * this.heads[queue]
    const word = this.peek32(at + 12)
    this.heads[queue] = (this.heads[queue] + 1) % ENTRIES
    this.writeMmio(0x1004 + 8 * queue, this.heads[queue], 4)
    return { result: this.peek32(at), id: word & 0xffff, phase: (word >>> 16) & 1, status: (word >>> 17) & 0x7ff }
  }

  run(queue: number, command: Command) {
    this.submit(queue, command)
    this.clock.advance(1e6)
    const done = this.completion(queue)
    expect(done.id).toBe(this.id)
    return done
  }

  io(opcode: number, lba: number, blocks: number, more: Partial<Command> = {}) {
    return this.run(1, { opcode, namespace: 1, prp1: DATA, words: [lba, 0, blocks - 1], ...more })
  }
}

test('is enabled, and says what it is', () => {
  const driver = new Driver()
  expect(driver.readMmio(0x1c, 4)).toBe(1)
  expect(driver.run(0, { opcode: IDENTIFY, prp1: DATA, words: [1] }).status).toBe(0)
  expect(Buffer.from(driver.peek(DATA + 4, 35)).toString('latin1')).toBe(`${'A serial'.padEnd(20)}BOOTWRIGHT NVMe`)
  expect(driver.run(0, { opcode: IDENTIFY, namespace: 1, prp1: DATA, words: [0] }).status).toBe(0)
  expect([driver.peek32(DATA), driver.peek32(DATA + 128)]).toEqual([2048, 9 << 16])
  expect(driver.run(0, { opcode: SET_FEATURES, words: [7, 0x3f_003f] }).result).toBe(0x7_0007)
  expect(driver.run(0, { opcode: IDENTIFY, namespace: 2, prp1: DATA, words: [0] }).status).toBe(0x0b)
  expect(driver.run(0, { opcode: 0x7f }).status).toBe(0x01)
})

test('the pin is low while completions wait, and high where they are masked or taken', () => {
  const driver = new Driver()
  driver.submit(0, { opcode: IDENTIFY, prp1: DATA, words: [1] })
  driver.clock.advance(1e6)
  expect(driver.level).toBe(true)
  driver.writeMmio(0x0c, 1, 4)
  expect(driver.level).toBe(false)
  driver.writeMmio(0x10, 1, 4)
  expect(driver.level).toBe(true)
  driver.completion(0)
  expect(driver.level).toBe(false)
})

test('reads, writes, zeroes and discards; data in one page, in two, and in a list over two pages', () => {
  const medium = patterned()
  const driver = new Driver(medium).addQueues()
  expect(driver.io(READ, 3, 2).status).toBe(0)
  expect(driver.peek(DATA, 1024)).toEqual([...medium.data.subarray(1536, 2560)])
  expect(driver.io(READ, 8, 15, { prp1: DATA + 512, prp2: DATA + 0x3000 }).status).toBe(0)
  expect(driver.peek(DATA + 512, 3584)).toEqual([...medium.data.subarray(4096, 4096 + 3584)])
  expect(driver.peek(DATA + 0x3000, 4096)).toEqual([...medium.data.subarray(4096 + 3584, 4096 + 3584 + 4096)])
  // The list begins two places before its page's end; its last place there leads on.
  const pages = [0x6000, 0x2000, 0x9000]
  driver.poke32(LIST + 4096 - 16, DATA + pages[0], 0, LIST + 8192, 0)
  driver.poke32(LIST + 8192, DATA + pages[1], 0, DATA + pages[2], 0)
  expect(driver.io(READ, 64, 32, { prp2: LIST + 4096 - 16 }).status).toBe(0)
  for (const [i, page] of [0, ...pages].entries())
    expect(driver.peek(DATA + page, 4096)).toEqual([...medium.data.subarray(32768 + 4096 * i, 32768 + 4096 * (i + 1))])
  driver.poke(DATA, new Uint8Array(512).fill(0x5a))
  expect(driver.io(WRITE, 9, 1).status).toBe(0)
  expect(medium.data.subarray(9 * 512, 10 * 512).every((byte) => byte === 0x5a)).toBe(true)
  expect(driver.io(WRITE_ZEROES, 20, 3).status).toBe(0)
  expect(medium.data.subarray(20 * 512, 23 * 512).every((byte) => byte === 0)).toBe(true)
  driver.poke32(DATA, 0, 8, 40, 0)
  expect(driver.run(1, { opcode: DATASET_MANAGEMENT, namespace: 1, prp1: DATA, words: [0, 4] }).status).toBe(0)
  expect(driver.run(1, { opcode: FLUSH, namespace: 0xffff_ffff }).status).toBe(0)
})

test('the ring goes round, and the phase turns', () => {
  const driver = new Driver().addQueues()
  const phases = Array.from({ length: 20 }, () => driver.io(READ, 0, 1).phase)
  expect(phases.join('')).toBe('11111111000000001111')
})

describe('what cannot be is told', () => {
  test.each([
    ['past the end', READ, 2047, 2, {}, 0x80],
    ['longer than a transfer may be', READ, 0, 1025, {}, 0x02],
    ['of another namespace', READ, 0, 1, { namespace: 2 }, 0x0b],
    ['into a list that is not aligned', READ, 0, 32, { prp2: LIST + 4 }, 0x13],
    ['into a page that is not aligned', READ, 0, 16, { prp2: DATA + 8 }, 0x13],
    ['by scatter-gather lists', READ | 0x4000, 0, 1, {}, 0x02],
    ['by an opcode that is none', 0x7f, 0, 1, {}, 0x01],
  ])('%s', (_, opcode, lba, blocks, more, status) => {
    const driver = new Driver().addQueues()
    expect(driver.io(opcode, lba, blocks, more).status).toBe(status)
    expect(driver.io(READ, 0, 1).status).toBe(0)
  })

  test('queues that are there, have no place or no completions', () => {
    const driver = new Driver().addQueues()
    const create = (opcode: number, words: number[]) => driver.run(0, { opcode, prp1: DATA, words }).status
    expect(create(CREATE_CQ, [(7 << 16) | 1, 1])).toBe(0x101)
    expect(create(CREATE_CQ, [(7 << 16) | 9, 1])).toBe(0x101)
    expect(create(CREATE_CQ, [(1024 << 16) | 2, 1])).toBe(0x102)
    expect(create(CREATE_CQ, [(7 << 16) | 2, (9 << 16) | 1])).toBe(0x108)
    expect(create(CREATE_SQ, [(7 << 16) | 2, (5 << 16) | 1])).toBe(0x100)
    expect(driver.run(0, { opcode: 4, words: [1] }).status).toBe(0x10c)
  })

  test('doorbells of no queue, an admin queue of no size', () => {
    const driver = new Driver()
    driver.writeMmio(0x1000 + 8 * 5, 1, 4)
    driver.writeMmio(0x1000, 0xffff, 4)
    driver.writeMmio(0x1ffc, 1, 4)
    expect(driver.warnings.filter((what) => what.includes('doorbell'))).toHaveLength(3)
    driver.writeMmio(0x14, 0, 4)
    driver.writeMmio(0x24, 0, 4)
    driver.writeMmio(0x14, 1, 4)
    expect(driver.readMmio(0x1c, 4)).toBe(2)
    driver.enable()
    expect(driver.run(0, { opcode: IDENTIFY, prp1: DATA, words: [1] }).status).toBe(0)
  })

  test('a medium that is read-only, or fails', () => {
    expect(new Driver(patterned(true)).addQueues().io(WRITE, 0, 1).status).toBe(0x182)
    const failing = new Proxy(patterned(), {
      get(target, key) {
        if (key !== 'read') return Reflect.get(target, key, target)
        return () => {
          throw new MediumError('the host cannot read')
        }
      },
    })
    expect(new Driver(failing).addQueues().io(READ, 0, 1).status).toBe(0x281)
  })
})

test('a copy that is saved while commands wait carries them out alike', () => {
  const driver = new Driver().addQueues()
  for (let i = 0; i < 3; i++)
    driver.submit(1, { opcode: READ, namespace: 1, prp1: DATA + 0x1000 * i, words: [i, 0, 0] })
  const saved = driver.save()
  const copy = new Driver().addQueues()
  copy.clock.advance(driver.clock.now() - copy.clock.now())
  copy.load(saved, driver)
  copy.clock.load(driver.clock.save())
  for (const card of [driver, copy]) card.clock.advance(1e6)
  expect(copy.save()).toEqual(driver.save())
  expect(copy.peek(DATA, 0x3000)).toEqual(driver.peek(DATA, 0x3000))
  expect(copy.completion(1)).toEqual(driver.completion(1))
})
