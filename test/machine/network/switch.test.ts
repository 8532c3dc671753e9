import { expect, test } from 'vitest'
import { ManualClock } from '../../../machine/clock.js'
import { Switch, type SwitchPort } from '../../../machine/network/switch.js'
import { loadState, saveState } from '../../../machine/state/state-table.js'

const [A, B, C, ALL] = ['520000000001', '520000000002', '520000000003', 'ffffffffffff'].map((hex) =>
  Buffer.from(hex, 'hex'),
)

const frame = (to: Uint8Array, from: Uint8Array, size = 60) =>
  Uint8Array.from({ length: size }, (_, i) => (i < 6 ? to[i] : i < 12 ? from[i - 6] : i & 0xff))

function made() {
  const clock = new ManualClock()
  const net = new Switch(clock)
  const heard: { [port: string]: { frame: Uint8Array; time: number }[] } = {}
  const plug = (name: string, isAlone = false) => {
    const port = net.port(name, isAlone)
    heard[name] = []
    port.receive = (one, time) => heard[name].push({ frame: one, time })
    return port
  }
  const heardBy = () => Object.fromEntries(Object.entries(heard).map(([name, frames]) => [name, frames.length]))
  return { clock, net, heard, heardBy, plug }
}

test('a frame goes to all until its station is known, then to that port alone', () => {
  const { heardBy, plug } = made()
  const [a, b] = [plug('a'), plug('b'), plug('c')]
  a.send(frame(B, A), 0)
  expect(heardBy()).toEqual({ a: 0, b: 1, c: 1 })
  b.send(frame(A, B), 0)
  expect(heardBy()).toEqual({ a: 1, b: 1, c: 1 })
  a.send(frame(B, A), 0)
  expect(heardBy()).toEqual({ a: 1, b: 2, c: 1 })
  a.send(frame(ALL, A), 0)
  expect(heardBy()).toEqual({ a: 1, b: 3, c: 2 })
  a.send(frame(Buffer.from('0180c2000000', 'hex'), A), 0)
  expect(heardBy()).toEqual({ a: 1, b: 3, c: 2 })
})

test('a station that moves is found at its new port, and a group is no station', () => {
  const { heardBy, plug } = made()
  const [a, b, c] = [plug('a'), plug('b'), plug('c')]
  b.send(frame(A, C), 0)
  c.send(frame(A, C), 0)
  const before = heardBy()
  a.send(frame(C, A), 0)
  expect(heardBy()).toEqual({ ...before, c: before.c + 1 })
  b.send(frame(A, ALL), 0)
  a.send(frame(ALL, A), 0)
  expect(heardBy().c).toBe(before.c + 2)
})

test('frames come at the speed of the port, and what does not fit the queue is lost', () => {
  const { heard, plug } = made()
  const [a, slow] = [plug('a'), plug('slow')]
  slow.speed = 10e6
  for (let i = 0; i < 1000; i++) a.send(frame(B, A, 1514), 0)
  const times = heard.slow.map(({ time }) => time)
  expect(times[0]).toBe(5000 + 1538 * 800)
  expect(times.every((time, i) => i === 0 || time - times[i - 1] === 1538 * 800)).toBe(true)
  expect(times.length).toBe(Math.floor((512 << 10) / 1538) + 1)
})

test('a cable that is out carries nothing either way, and a port that is alone is plugged into nothing', () => {
  const { heardBy, plug } = made()
  const [a, b] = [plug('a'), plug('b')]
  const alone = plug('alone', true)
  const told: boolean[] = []
  b.linkChanged = (up) => told.push(up)
  b.setLink(false)
  b.setLink(false)
  a.send(frame(ALL, A), 0)
  b.send(frame(ALL, B), 0)
  alone.send(frame(ALL, C), 0)
  expect(heardBy()).toEqual({ a: 0, b: 0, alone: 0 })
  b.setLink(true)
  a.send(frame(ALL, A), 0)
  expect(heardBy()).toEqual({ a: 0, b: 1, alone: 0 })
  expect(told).toEqual([false, true])
})

test('a guest that invents stations does not fill the memory, and what was learnt is saved', () => {
  const { net, heardBy, plug } = made()
  const [a, b] = [plug('a'), plug('b'), plug('c')]
  for (let i = 0; i < 5000; i++) a.send(frame(ALL, Uint8Array.of(2, 0, 0, 0, i >>> 8, i & 0xff)), 0)
  b.send(frame(ALL, B), 0)
  expect(net.learnt.length).toBe(1024)
  const other = made()
  const ports: SwitchPort[] = [other.plug('a'), other.plug('b'), other.plug('c')]
  ports[1].link = false
  loadState(other.net, structuredClone(saveState(net)))
  expect(ports[1].link).toBe(true)
  expect(saveState(other.net)).toEqual(saveState(net))
  ports[0].send(frame(B, A), 0)
  expect(other.heardBy()).toEqual({ a: 0, b: 1, c: 0 })
  expect(heardBy().c).toBeGreaterThan(0)
})
