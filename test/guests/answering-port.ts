/** A port with one host behind it that answers ARP and ICMP echo requests: addresses exchanged, the rest as it came. */
import { LoopbackPort } from '../../machine/network/port.js'

const THERE = [0x02, 0, 0, 0, 0, 0x02]

function answer(frame: Uint8Array): Uint8Array | undefined {
  const reply = frame.slice()
  const type = (frame[12] << 8) | frame[13]
  reply.set(frame.subarray(6, 12), 0)
  reply.set(THERE, 6)
  if (type === 0x0806 && frame[21] === 1) {
    reply[21] = 2
    reply.set(THERE, 22)
    reply.set(frame.subarray(38, 42), 28)
    reply.set(frame.subarray(22, 32), 32)
    return reply
  }
  if (type !== 0x0800 || frame[23] !== 1 || frame[34] !== 8) return undefined
  reply.set(frame.subarray(30, 34), 26)
  reply.set(frame.subarray(26, 30), 30)
  reply[34] = 0
  const sum = ((frame[36] << 8) | frame[37]) + 0x0800
  const folded = (sum & 0xffff) + (sum >>> 16)
  reply[36] = folded >>> 8
  reply[37] = folded & 0xff
  return reply
}

export const answeringPort = () => new LoopbackPort(answer)
