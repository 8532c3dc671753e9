import { expect, test } from 'vitest'
import { ManualClock } from '../../../machine/clock.js'
import { Switch } from '../../../machine/network/switch.js'
import { type CableOptions, EVERYONE, Trunk } from '../../../machine/network/trunk.js'
import { loadState, saveState } from '../../../machine/state/state-table.js'

const CABLE: CableOptions = { latency: 1e6, bandwidth: 1e9, loss: 0, duplicate: 0, reorder: 0, seed: 1 }

/** Member 1, with a card behind its switch that notes what comes. */
function member(options: Partial<CableOptions> = {}) {
  const clock = new ManualClock()
  const ethernet = new Switch(clock)
  const card = ethernet.port('card')
  const got: { first: number; time: number }[] = []
  card.receive = (frame, time) => got.push({ first: frame[14], time })
  const sent: { to: number; time: number }[] = []
  const trunk = new Trunk(
    { ...CABLE, ...options, member: 1 },
    clock,
    () => {},
    ethernet.port('trunk'),
    (to, _, time) => sent.push({ to, time }),
  )
  return { clock, card, got, sent, trunk }
}

/** From 02:00:00:00:00:XX, to all. */
function frame(from: number, first: number): Uint8Array {
  const bytes = new Uint8Array(60)
  bytes.fill(0xff, 0, 6)
  bytes.set([2, 0, 0, 0, 0, from, 0x88, 0xb5, first], 6)
  return bytes
}

function hear(options: Partial<CableOptions>) {
  const { clock, trunk, got } = member(options)
  for (let n = 0; n < 200; n++) trunk.receive(2, frame(9, n), n * 1e5)
  clock.advance(1e9)
  return got
}

test('a frame comes a latency after it left, in the order of the times', () => {
  const { clock, trunk, got } = member()
  trunk.receive(2, frame(9, 1), 500)
  trunk.receive(3, frame(8, 2), 400)
  clock.advance(1e6 + 399)
  expect(got).toEqual([])
  clock.advance(1e6)
  // The switch behind takes its own time.
  expect(got).toMatchObject([{ first: 2 }, { first: 1 }])
  expect(got[0].time).toBeGreaterThan(1e6 + 400)
})

test('what is for a station that was heard goes to its member, all else to everyone', () => {
  const { clock, trunk, card, sent } = member()
  trunk.receive(4, frame(9, 1), 0)
  clock.advance(2e6)
  const answer = new Uint8Array(60)
  answer.set([2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1, 0x88, 0xb5])
  card.send(answer, clock.now())
  card.send(frame(1, 1), clock.now())
  expect(sent.map(({ to }) => to)).toEqual([4, EVERYONE])
})

test('frames are lost, doubled and overtaken by a seed, and a copy goes on alike', () => {
  const spoiled = { loss: 0.2, duplicate: 0.2, reorder: 0.2, seed: 7 }
  const got = hear(spoiled)
  const numbers = got.map(({ first }) => first)
  const kinds = new Set(numbers)
  expect(kinds.size).toBeGreaterThan(130)
  expect(kinds.size).toBeLessThan(185)
  expect(numbers.length - kinds.size).toBeGreaterThan(15)
  expect(numbers).not.toEqual([...numbers].sort((a, b) => a - b))
  expect(hear(spoiled)).toEqual(got)
  expect(hear({ ...spoiled, seed: 8 })).not.toEqual(got)

  const one = member(spoiled)
  for (let n = 0; n < 50; n++) one.trunk.receive(2, frame(9, n), n)
  const copy = member(spoiled)
  loadState(copy.trunk, saveState(one.trunk))
  for (const { trunk, clock } of [one, copy]) {
    trunk.receive(2, frame(9, 99), 100)
    clock.advance(1e9)
  }
  expect(copy.got).toEqual(one.got)
})

test('nothing comes from a member that is cut off, until it is heard again', () => {
  const { clock, trunk, got } = member()
  trunk.cut = [2]
  trunk.receive(2, frame(9, 1), 0)
  trunk.receive(3, frame(8, 2), 0)
  trunk.cut = []
  trunk.receive(2, frame(9, 3), 0)
  clock.advance(1e7)
  expect(got.map(({ first }) => first)).toEqual([2, 3])
})
