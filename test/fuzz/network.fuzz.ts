/**
 * Frames that no sane guest sends, at the LAN: real ones of every protocol cut, changed and put together anew, and noise.
 * Nothing is thrown, what is kept is bounded, the answers are no more than a few for each frame, and a state that is saved
 * in the midst goes on alike. Half of them have a way out, and a world outside that says anything, too.
 */
import { TCP } from '../../machine/network/lan/datagram.js'
import { saveState } from '../../machine/state/state-table.js'
import { filesOf, Peer } from '../machine/network/lan/peer.js'
import { farSegment, fromOutside, lastOf, spoilt, whole } from './frames.js'
import { type Fuzzer, FuzzFailure } from './fuzzer.js'
import { sizeOfState } from './state-size.js'

const FRAMES = 400
/** A window of TFTP, and one of TCP's at its beginning. */
const MOST_ANSWERS = 200
/** Of the state with all that frames may leave in it: buffers, fragments, a log. */
const LARGEST_STATE = 8 << 20

const contents = {
  http: {
    '/': { kind: 'files' as const, tree: filesOf({ big: new Uint8Array(200_000), a: new Uint8Array(10) }) },
    '/ask': { kind: 'function' as const, name: '/ask' },
  },
  tftp: filesOf({ big: new Uint8Array(200_000) }),
  ask: () => ({ status: 200, headers: {}, body: new Uint8Array(5) }),
}

const fuzzer: Fuzzer = {
  name: 'network',
  title: `the LAN takes ${FRAMES} frames of any kind`,
  dose: 8,
  unit: 'frames',
  run(random, { size, count }) {
    const isOpen = random.chance(2)
    const world = isOpen ? { ...contents, wayOut: () => true } : contents
    const peer = new Peer(world)
    const sent: Uint8Array[] = []
    let heard = 0
    let copy: Peer | undefined
    const fail = (what: string): never => {
      throw new FuzzFailure(what, lastOf(sent))
    }
    const middle = (FRAMES * size) >> 1
    for (let n = 0; n < FRAMES * size; n++) {
      const made = isOpen && random.chance(3) ? farSegment(random, heard) : whole(random, heard)
      const frame = spoilt(made, random).slice(0, 1518)
      const event = isOpen && random.chance(3) ? fromOutside(random) : undefined
      const pause = random.pick([0, 0, 0, 1e6, 300e6, 70e9])
      sent.push(frame)
      if (n === middle) copy = peer.copy(world)
      for (const one of copy ? [peer, copy] : [peer]) {
        one.heard.length = n < middle ? 0 : one.heard.length
        const before = one.heard.length
        one.frame(frame.slice())
        if (event) one.outside(structuredClone(event))
        if (one.heard.length - before > MOST_ANSWERS) fail(`${one.heard.length - before} answers to one frame`)
        one.clock.advance(pause)
      }
      const last = peer.heard.at(-1)
      if (last && last[23] === TCP && last[12] === 8) heard = new DataView(last.buffer, last.byteOffset).getUint32(38)
    }
    count(FRAMES * size)
    const state = saveState(peer.lan)
    if (copy && JSON.stringify(plain(saveState(copy.lan))) !== JSON.stringify(plain(state)))
      fail('a LAN that was saved in the midst went on otherwise')
    const bytes = sizeOfState(state)
    if (bytes > LARGEST_STATE) fail(`the LAN holds ${bytes} bytes`)
  },
}

/** Orders of timers count all that were armed, those of the switch's other ports as well. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, one]) => [name, name === 'timer' && Array.isArray(one) ? one[0] : plain(one)]),
  )
}

export default fuzzer
