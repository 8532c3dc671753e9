/**
 * What a viewer may send, after a handshake or in its midst: messages whole, cut, run together and changed. The session
 * goes on or ends; nothing is thrown, no key is unknown to the machine, and what waits is bounded.
 */
import { setImmediate } from 'node:timers/promises'
import { LiveScreen } from '../../harness/live/live-machine.js'
import { RfbSession } from '../../harness/live/rfb-session.js'
import { LiveFake } from '../harness/live/live-fake.js'
import type { Random } from '../random.js'
import { type Fuzzer, FuzzFailure } from './fuzzer.js'
import { mutatedBytes } from './mutate.js'

const MESSAGES = 40
/** Beyond a picture of the fake's in any format, with its colour map: what one answer may be. */
const LONGEST_ANSWER = 1 << 20

const u16 = (value: number) => [value >> 8, value & 255]
const u32 = (value: number) => [...u16(value >>> 16), ...u16(value & 0xffff)]

function message(random: Random): number[] {
  const word = () => random.pick([0, 1, 7, 8, 63, 64, 100, 0x7fff, 0xffff])
  switch (random.below(8)) {
    case 0: {
      const [bits, depth] = [random.pick([8, 16, 32, 24, 0, 255]), random.pick([8, 15, 24, 0, 255])]
      const colours = [255, 255, 255].flatMap((max) => u16(random.chance(3) ? word() : max))
      const shifts = [0, 8, 16].map((shift) => (random.chance(3) ? random.below(256) : shift))
      return [0, 0, 0, 0, bits, depth, random.below(2), random.below(2), ...colours, ...shifts, 0, 0, 0]
    }
    case 1: {
      const encodings = Array.from({ length: random.below(8) }, () => random.pick([0, 6, 16, -223, -257, -258, 5, -1]))
      const count = random.chance(6) ? word() : encodings.length
      return [2, 0, ...u16(count), ...encodings.flatMap((encoding) => u32(encoding >>> 0))]
    }
    case 2:
    case 3:
      return [3, random.below(2), ...u16(word()), ...u16(word()), ...u16(word()), ...u16(word())]
    case 4:
      return [4, random.below(2), 0, 0, ...u32(random.pick([0x61, 0xff0d, 0xffe3, 0x20ac, 0x1000000 + word(), word()]))]
    case 5:
      return [5, random.below(256), ...u16(word()), ...u16(word())]
    case 6: {
      const length = random.chance(6) ? random.pick([0xffffffff, 0x7fffffff, 1 << 20]) : random.below(40)
      return [6, 0, 0, 0, ...u32(length), ...Array.from({ length: Math.min(length, 40) }, () => random.below(256))]
    }
    default:
      return [
        255,
        random.below(2),
        ...u16(random.below(2)),
        ...u32(word()),
        ...u32(random.pick([0x1e, 0xe01c, word()])),
      ]
  }
}

const fuzzer: Fuzzer = {
  name: 'rfb',
  title: `viewers that send ${MESSAGES} messages of any kind are served or refused`,
  dose: 60,
  async run(random) {
    const machine = new LiveFake(100, 60)
    let written = 0
    const session: RfbSession = new RfbSession(
      {
        write: (bytes) => {
          written += bytes.length
          if (bytes.length > LONGEST_ANSWER) throw new FuzzFailure(`an answer of ${bytes.length} bytes`, '')
        },
        backlog: () => 0,
        close: () => {},
      },
      { machine, screen: new LiveScreen(machine), password: random.chance(4) ? 'secret' : undefined },
    )
    const over = session.run()
    const handshake = [...Buffer.from(`RFB 003.00${random.pick([3, 7, 8, 9])}\n`), 1, 1]
    const all = [handshake, ...Array.from({ length: MESSAGES }, () => message(random))]
    let input = Buffer.from(all.flat())
    if (random.chance(2)) input = mutatedBytes(input, random, 4) as typeof input
    for (let at = 0; at < input.length; ) {
      const length = random.pick([1, 3, 10, 100, 1000])
      session.receive(input.subarray(at, at + length))
      at += length
      if (random.chance(3)) machine.paint(() => [random.below(256), 0, 0])
      await setImmediate()
    }
    session.end()
    await over
    const unknown = machine.keys.find((key) => !/^[+-][A-Z]\w+$/.test(key))
    if (unknown !== undefined)
      throw new FuzzFailure(`the machine was given the key ${unknown}`, input.toString('base64'))
    const odd = machine.moves.find(({ dx, dy, dz, buttons }) => ![dx, dy, dz, buttons].every(Number.isInteger))
    if (odd) throw new FuzzFailure(`the machine was given ${JSON.stringify(odd)}`, input.toString('base64'))
    // Each request has an answer of at most a whole picture.
    if (written > MESSAGES * LONGEST_ANSWER)
      throw new FuzzFailure(`${written} bytes were sent`, input.toString('base64'))
  },
}

export default fuzzer
