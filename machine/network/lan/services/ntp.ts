/** NTP (RFC 5905) as a server that is its own reference: the guest's time, from its epoch on. */

const PACKET = 48
const CLIENT = 3
const SERVER = 4
/** From 1900 to 1970, seconds. */
const ERA = 2208988800
const STRATUM_PRIMARY = 1
const PRECISION = -20

/** @param seconds Since 1970. undefined: it is no question. */
export function answerNtp(question: Uint8Array, seconds: number): Uint8Array | undefined {
  if (question.length < PACKET) return undefined
  const [version, mode] = [(question[0] >>> 3) & 7, question[0] & 7]
  if (version < 1 || version > 4 || mode !== CLIENT) return undefined
  const answer = new Uint8Array(PACKET)
  const view = new DataView(answer.buffer)
  const stamp = (at: number) => {
    const whole = Math.floor(seconds)
    // Modulo an era of 136 years.
    view.setUint32(at, (whole + ERA) % 2 ** 32)
    view.setUint32(at + 4, Math.floor((seconds - whole) * 2 ** 32))
  }
  view.setUint8(0, (version << 3) | SERVER)
  view.setUint8(1, STRATUM_PRIMARY)
  view.setUint8(2, question[2])
  view.setInt8(3, PRECISION)
  answer.set([76, 79, 67, 76], 12) // LOCL
  stamp(16)
  // What it sent is where its clock stood; it computes the way there and back by it.
  answer.set(question.subarray(40, 48), 24)
  stamp(32)
  stamp(40)
  return answer
}
