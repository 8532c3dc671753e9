/** Cards whose cables carry one family of addresses alone. */
import { decode, encode } from 'dns-packet'
import { expect, test } from 'vitest'
import { ManualClock } from '../../../machine/clock.js'
import {
  addressText,
  GATEWAY,
  GATEWAY6,
  ipv4,
  ipv6,
  LAN_MAC,
  NAME_SERVER,
  NAME_SERVER6,
} from '../../../machine/network/lan/addresses.js'
import { ICMPV6, type Outgoing } from '../../../machine/network/lan/datagram.js'
import { ARP, IPV6, typeOf } from '../../../machine/network/lan/ethernet.js'
import { sealed6 } from '../../../machine/network/lan/icmp.js'
import { Ipv4 } from '../../../machine/network/lan/ipv4.js'
import { Ipv6 } from '../../../machine/network/lan/ipv6.js'
import { Reassembly } from '../../../machine/network/lan/reassembly.js'
import { readUdp, writeUdp } from '../../../machine/network/lan/udp.js'
import { MachineNetwork, type NicSpec } from '../../../machine/network/machine-network.js'

const macs = [1, 2, 3].map((last) => Uint8Array.of(0x52, 0x54, 0, 0, 0, last))
const text = (mac: Uint8Array) => [...mac].map((byte) => byte.toString(16).padStart(2, '0')).join(':')

/** Cards, what each of them hears, and what was on the cable of each. */
function plugged(...cards: Pick<NicSpec, 'ipv4' | 'ipv6'>[]) {
  const clock = new ManualClock()
  const nics = cards.map((card, i): NicSpec => {
    return { ...{ type: 'e1000', id: `net${i}`, mac: text(macs[i]), net: 'lan' }, ...card }
  })
  const taken: string[] = []
  const onFrame = (nic: string, frame: Uint8Array) => taken.push(`${nic} ${typeOf(frame).toString(16)}`)
  const net = new MachineNetwork({ nics, clock, warn: () => {}, epoch: 0, onFrame })
  const heard = nics.map((): number[] => [])
  const frames: Uint8Array[] = []
  nics.forEach(({ id }, i) => {
    const port = net.port(id)
    if (port)
      port.receive = (frame) => {
        heard[i].push(typeOf(frame))
        frames.push(frame)
      }
  })
  return {
    heard,
    frames,
    taken,
    send(card: number, frame: Uint8Array) {
      net.port(`net${card}`)?.send(frame, clock.now())
      clock.advance(1e6)
    },
  }
}

/** ARP's question for the gateway (RFC 826). */
function arpQuestion(mac: Uint8Array): Uint8Array {
  const frame = new Uint8Array(60).fill(0xff, 0, 6)
  frame.set(mac, 6)
  frame.set([8, 6, 0, 1, 8, 0, 6, 4, 0, 1, ...mac, ...ipv4('10.0.2.15')], 12)
  frame.set(GATEWAY, 38)
  return frame
}

/** A router solicitation (RFC 4861 4.1). */
function solicitation(mac: Uint8Array): Uint8Array {
  const [source, destination] = [ipv6('fe80::1'), ipv6('ff02::2')]
  const payload = sealed6(Uint8Array.of(133, 0, 0, 0, 0, 0, 0, 0, 1, 1, ...mac), source, destination)
  const group = Uint8Array.of(0x33, 0x33, 0, 0, 0, 2)
  const outgoing = { mac: group, source, destination, protocol: ICMPV6, payload, hopLimit: 255 }
  const [frame] = new Ipv6(new Reassembly(new ManualClock())).write(outgoing)
  frame.set(mac, 6)
  return frame
}

test('without IPv6 no router is heard, not of another card’s asking either, and ARP is answered', () => {
  const { heard, taken, send } = plugged({ ipv6: false }, {}, {})
  send(0, solicitation(macs[0]))
  expect(heard).toEqual([[], [], []])
  // What the guest said stands in its capture all the same.
  expect(taken).toEqual(['net0 86dd'])
  send(1, solicitation(macs[1]))
  // The solicitation itself goes to all that hear such.
  expect(heard).toEqual([[], [IPV6], [IPV6]])
  send(0, arpQuestion(macs[0]))
  expect(heard[0]).toEqual([ARP])
})

test('without IPv4 there is no ARP and no answer by it, and the router is heard', () => {
  const { heard, send } = plugged({ ipv4: false })
  send(0, arpQuestion(macs[0]))
  expect(heard).toEqual([[]])
  send(0, solicitation(macs[0]))
  expect(heard).toEqual([[IPV6]])
})

/** What the name server says to a card, asked by the one or the other family. */
function names(card: Pick<NicSpec, 'ipv4' | 'ipv6'>, family: 4 | 6) {
  const { frames, send } = plugged(card, {})
  const [source, destination] =
    family === 4 ? [ipv4('10.0.2.15'), NAME_SERVER] : [ipv6('fec0::5054:ff:fe00:1'), NAME_SERVER6]
  const reassembly = new Reassembly(new ManualClock())
  const ip = family === 4 ? new Ipv4(reassembly) : new Ipv6(reassembly)
  return (['A', 'AAAA'] as const).map((type) => {
    const data = encode({ type: 'query', id: 1, questions: [{ name: 'http.lan.internal', type }] })
    const outgoing: Outgoing = writeUdp({ mac: LAN_MAC, source, destination }, { from: 1024, to: 53, data })
    const [frame] = ip.write(outgoing)
    frame.set(macs[0], 6)
    send(0, frame)
    const datagram = ip.read(frames.splice(0).at(-1) as Uint8Array)
    const answers = datagram && decode(Buffer.from(readUdp(datagram)?.data ?? [])).answers
    return answers?.map((answer) => ('data' in answer ? String(answer.data) : ''))
  })
}

test('names have no addresses of a family that the cable of who asks does not carry', () => {
  const [v4, v6] = [addressText(GATEWAY), addressText(GATEWAY6)]
  expect(names({}, 4)).toEqual([[v4], [v6]])
  expect(names({ ipv6: false }, 4)).toEqual([[v4], []])
  expect(names({ ipv4: false }, 6)).toEqual([[], [v6]])
})
