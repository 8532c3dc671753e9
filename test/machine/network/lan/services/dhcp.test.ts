import { expect, test } from 'vitest'
import { ipv4 } from '../../../../../machine/network/lan/addresses.js'
import { readDhcp } from '../../../../../machine/network/lan/services/dhcp-message.js'
import { Peer } from '../peer.js'

interface Asked {
  type?: number
  mac?: number
  client?: string
  options?: [number, number[]][]
  broadcast?: boolean
}

function ask(peer: Peer, { type, mac = 0x56, client = '0.0.0.0', options = [], broadcast }: Asked): void {
  const data = new Uint8Array(300)
  data.set([1, 1, 6, 0, 1, 2, 3, 4])
  if (broadcast) data[10] = 0x80
  data.set(ipv4(client), 12)
  data.set([0x52, 0x54, 0, 0x12, 0x34, mac], 28)
  const all = [...(type === undefined ? [] : [[53, [type]] as [number, number[]]]), ...options]
  data.set([99, 130, 83, 99, ...all.flatMap(([code, value]) => [code, value.length, ...value]), 255], 236)
  peer.udp({ from: 68, to: 67, data }, ipv4('255.255.255.255'), ipv4(client))
}

interface Told {
  address: string
  next: string
  file: string
  options: Map<number, number[]>
}

function told(peer: Peer): Told | undefined {
  const [answer] = peer.answers()
  if (!answer) return undefined
  const { data } = answer
  expect([...data.subarray(0, 8)]).toEqual([2, 1, 6, 0, 1, 2, 3, 4])
  const options = new Map<number, number[]>()
  for (let at = 240; data[at] !== 255; at += 2 + data[at + 1])
    options.set(data[at], [...data.subarray(at + 2, at + 2 + data[at + 1])])
  const file = Buffer.from(data.subarray(108, 236)).toString('latin1').replace(/\0+$/, '')
  return { address: data.subarray(16, 20).join('.'), next: data.subarray(20, 24).join('.'), file, options }
}

const text = (option: number[] | undefined) => Buffer.from(option ?? []).toString()
const words = (name: string) => [...Buffer.from(name)]
const DISCOVER = 1
const REQUEST = 3
const DECLINE = 4
const RELEASE = 7
const INFORM = 8

test('an offer and a lease, with all that a guest is told', () => {
  const peer = new Peer()
  ask(peer, { type: DISCOVER, options: [[12, words('client')]] })
  expect(told(peer)).toMatchObject({ address: '10.0.2.15', next: '10.0.2.2' })
  ask(peer, {
    type: REQUEST,
    options: [
      [50, [10, 0, 2, 15]],
      [54, [10, 0, 2, 2]],
    ],
  })
  const { options, address } = told(peer) as Told
  expect(address).toBe('10.0.2.15')
  expect(options.get(53)).toEqual([5])
  expect(options.get(1)).toEqual([255, 255, 255, 0])
  for (const code of [3, 42, 54]) expect(options.get(code)).toEqual([10, 0, 2, 2])
  expect(options.get(6)).toEqual([10, 0, 2, 3])
  expect(options.get(51)).toEqual([0, 1, 0x51, 0x80])
  expect(text(options.get(15))).toBe('lan.internal')
  expect(text(options.get(12))).toBe('client')
  expect(options.has(67)).toBe(false)
  expect(peer.lan.log.list().map(({ what, result }) => `${what}: ${result}`)).toEqual([
    'DISCOVER: 10.0.2.15',
    'REQUEST: 10.0.2.15',
  ])
})

test('each card has its own address, and keeps it', () => {
  const peer = new Peer()
  const lease = (mac: number) => {
    ask(peer, { type: DISCOVER, mac })
    return told(peer)?.address
  }
  expect([lease(1), lease(2), lease(1), lease(3)]).toEqual(['10.0.2.15', '10.0.2.16', '10.0.2.15', '10.0.2.17'])
  const other = peer.copy()
  ask(other, { type: DISCOVER, mac: 2 })
  expect(told(other)?.address).toBe('10.0.2.16')
})

test('a renewal is answered, a wrong address is refused, another server’s request is none of ours', () => {
  const peer = new Peer()
  ask(peer, { type: REQUEST, options: [[50, [10, 0, 2, 40]]] })
  expect(told(peer)).toMatchObject({ address: '10.0.2.40' })
  ask(peer, { type: REQUEST, client: '10.0.2.40' })
  expect(told(peer)?.options.get(53)).toEqual([5])
  ask(peer, { type: REQUEST, options: [[50, [192, 168, 0, 9]]] })
  expect(told(peer)?.options.get(53)).toEqual([6])
  ask(peer, {
    type: REQUEST,
    options: [
      [50, [10, 0, 2, 40]],
      [54, [10, 0, 2, 9]],
    ],
  })
  expect(told(peer)).toBeUndefined()
})

test('INFORM gets settings and no address; a declined address is not given again; a released one is', () => {
  const peer = new Peer()
  ask(peer, { type: INFORM, client: '10.0.2.99' })
  const informed = told(peer) as Told
  expect(informed.address).toBe('0.0.0.0')
  expect(informed.options.has(51)).toBe(false)
  expect(informed.options.get(3)).toEqual([10, 0, 2, 2])
  ask(peer, { type: REQUEST, options: [[50, [10, 0, 2, 15]]] })
  told(peer)
  ask(peer, { type: DECLINE, options: [[50, [10, 0, 2, 15]]] })
  ask(peer, { type: DISCOVER })
  expect(told(peer)?.address).toBe('10.0.2.16')
  ask(peer, { type: RELEASE, client: '10.0.2.16' })
  ask(peer, { type: DISCOVER })
  expect(told(peer)?.address).toBe('10.0.2.16')
})

test('a boot file by architecture, for PXE and for BOOTP', () => {
  const peer = new Peer({ bootFiles: { bios: 'pxelinux.0', efi: 'grub.efi' } })
  const boot = (options: [number, number[]][]) => {
    ask(peer, { type: DISCOVER, options })
    const { file, options: given } = told(peer) as Told
    expect(text(given.get(67))).toBe(file)
    expect(text(given.get(66))).toBe('10.0.2.2')
    return file
  }
  expect(
    boot([
      [93, [0, 0]],
      [60, words('PXEClient:Arch:00000')],
    ]),
  ).toBe('pxelinux.0')
  expect(boot([[93, [0, 7]]])).toBe('grub.efi')
  expect(boot([])).toBe('pxelinux.0')
  ask(peer, { mac: 9 })
  const plain = told(peer) as Told
  expect(plain.file).toBe('pxelinux.0')
  expect(plain.options.has(53)).toBe(false)
})

test('when all addresses are taken nobody gets one, until offers are over', () => {
  const peer = new Peer()
  for (let mac = 0; mac < 240; mac++) ask(peer, { type: DISCOVER, mac })
  expect(peer.answers().length).toBe(240)
  ask(peer, { type: DISCOVER, mac: 250 })
  expect(told(peer)).toBeUndefined()
  peer.clock.advance(60e9)
  ask(peer, { type: DISCOVER, mac: 250 })
  expect(told(peer)?.address).toBe('10.0.2.15')
})

test('a message with twenty thousand pieces of one option is read at once', () => {
  const data = new Uint8Array(65_500)
  data.set([1, 1, 6, 0, 1, 2, 3, 4])
  data.set([0x52, 0x54, 0, 0x12, 0x34, 0x56], 28)
  data.set([99, 130, 83, 99, 53, 1, DISCOVER], 236)
  for (let at = 243; at + 3 < data.length; at += 3) data.set([60, 1, 0x61], at)
  for (let i = 0; i < 50; i++) expect(readDhcp(data)?.options.get(60)?.length).toBe(21_752)
})
