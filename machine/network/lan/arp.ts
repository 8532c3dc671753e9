/** ARP (RFC 826): the LAN says where its own addresses are. It asks for none: who sends to it has said where it is. */
import { isOwn, LAN_MAC, sameBytes } from './addresses.js'
import { ARP, ethernet } from './ethernet.js'

const PACKET = 28
const REQUEST = 1
const REPLY = 2

/** The address that its sender has; undefined where it has none yet. */
export function senderOf(frame: Uint8Array): Uint8Array | undefined {
  const packet = frame.subarray(14)
  if (packet.length < PACKET || packet[2] !== 8 || packet[3] !== 0 || packet[5] !== 4) return undefined
  const address = packet.slice(14, 18)
  return address.some((byte) => byte !== 0) && !isOwn(address) ? address : undefined
}

/** The answer to a frame, if it asks for one. @param isHere Whether the LAN answers for an address. */
export function answerArp(frame: Uint8Array, isHere = isOwn): Uint8Array | undefined {
  const packet = frame.subarray(14)
  if (packet.length < PACKET) return undefined
  const view = new DataView(packet.buffer, packet.byteOffset, PACKET)
  const isEthernetIpv4 = view.getUint16(0) === 1 && view.getUint16(2) === 0x0800 && view.getUint16(4) === 0x0604
  if (!isEthernetIpv4 || view.getUint16(6) !== REQUEST) return undefined
  const [sender, senderAddress, target] = [packet.slice(8, 14), packet.slice(14, 18), packet.slice(24, 28)]
  // Who asks for an address that it claims itself looks whether another has it.
  if (!isHere(target) || sameBytes(target, senderAddress)) return undefined
  const answer = ethernet(sender, ARP, PACKET)
  answer.set(packet.subarray(0, 6), 14)
  answer[14 + 7] = REPLY
  answer.set(LAN_MAC, 14 + 8)
  answer.set(target, 14 + 14)
  answer.set(sender, 14 + 18)
  answer.set(senderAddress, 14 + 24)
  return answer
}
