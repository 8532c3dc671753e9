import { expect, test } from 'vitest'
import { LONGEST_PACKET, PacketReader, packet } from '../../../../machine/debug/gdb/packets.js'
import { Random } from '../../../random.js'

const bytes = (text: string) => Buffer.from(text, 'latin1')
const text = (data: Uint8Array) => Buffer.from(data).toString('latin1')

test('a packet comes in pieces, with its acknowledgement and an interrupt around it', () => {
  const reader = new PacketReader()
  const sent = packet('m7c00,4')
  expect(reader.add(Buffer.concat([bytes('+'), sent.subarray(0, 4)]))).toEqual([{ kind: 'acknowledged', well: true }])
  expect(reader.add(sent.subarray(4, 9))).toEqual([])
  const [found, interrupt] = reader.add(Uint8Array.from([...sent.subarray(9), 3]))
  expect(found.kind === 'packet' && text(found.data)).toBe('m7c00,4')
  expect(interrupt).toEqual({ kind: 'interrupt' })
})

test('what stands for another byte is read and written', () => {
  const sent = packet('a#b$c}d*e')
  const [found] = new PacketReader().add(sent)
  expect(found.kind === 'packet' && text(found.data)).toBe('a#b$c}d*e')
  expect([...sent.subarray(0, 4)]).toEqual([...bytes('$a}'), '#'.charCodeAt(0) ^ 0x20])
})

test('a wrong sum, no sum and a packet that is too long are damaged, and the next one is well', () => {
  const reader = new PacketReader()
  expect(reader.add(bytes('$g#00'))).toEqual([{ kind: 'damaged' }])
  expect(reader.add(bytes('$g#zz'))).toEqual([{ kind: 'damaged' }])
  const long = packet('x'.repeat(LONGEST_PACKET + 1))
  expect(reader.add(long)).toEqual([{ kind: 'damaged' }])
  expect(reader.add(packet('?')).map(({ kind }) => kind)).toEqual(['packet'])
})

test('noise never throws, and holds no more than a packet', () => {
  const random = new Random(7)
  const reader = new PacketReader()
  for (let i = 0; i < 2000; i++) reader.add(Uint8Array.from({ length: 64 }, () => random.below(256)))
  expect(reader.add(packet('g')).some(({ kind }) => kind === 'packet')).toBe(true)
})
