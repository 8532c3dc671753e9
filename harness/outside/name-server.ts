/** Answers a guest's questions for names that are not the LAN's, from the host's resolver. */
import { type Answer, decode, encode, type Packet, type Question, RECURSION_DESIRED } from 'dns-packet'
import type { Dialer } from './dialer.js'

const NXDOMAIN = 3
const SERVER_FAILURE = 2
const RECURSION_AVAILABLE = 1 << 7
/** The host's resolver does not tell how long its answers hold. */
const TTL = 30
/** Without EDNS none is longer. */
const LONGEST = 512

/**
 * @param mayReach Addresses that the guest may not reach are left out, so that it hears at once that there is no way.
 * @returns undefined where it is no question.
 */
export async function answerName(
  query: Uint8Array,
  dialer: Dialer,
  mayReach: (address: string) => boolean,
): Promise<Uint8Array | undefined> {
  let packet: Packet
  try {
    packet = decode(Buffer.from(query))
  } catch {
    return undefined
  }
  const [question] = packet.questions ?? []
  if (packet.type !== 'query' || !question) return undefined
  const { answers, code } = await lookUp(question, dialer, mayReach)
  const flags = RECURSION_AVAILABLE | ((packet.flags ?? 0) & RECURSION_DESIRED) | code
  for (let count = answers.length; count >= 0; count--) {
    try {
      const kept = answers.slice(0, count)
      const reply = encode({ type: 'response', id: packet.id, flags, questions: [question], answers: kept })
      if (reply.length <= LONGEST) return new Uint8Array(reply)
    } catch {
      // A record that the package cannot write.
    }
  }
  return undefined
}

async function lookUp(
  { name, type }: Question,
  dialer: Dialer,
  mayReach: (address: string) => boolean,
): Promise<{ answers: Answer[]; code: number }> {
  try {
    if (type === 'A' || type === 'AAAA') {
      const found = await dialer.addresses(name, type === 'A' ? 4 : 6)
      return { answers: found.filter(mayReach).map((data) => ({ type, name, ttl: TTL, data })), code: 0 }
    }
    return { answers: records(name, type, await dialer.records(name, type)), code: 0 }
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    if (code === 'ENOTFOUND') return { answers: [], code: NXDOMAIN }
    return { answers: [], code: ['ENODATA', 'ERR_INVALID_ARG_VALUE'].includes(code) ? 0 : SERVER_FAILURE }
  }
}

function records(name: string, type: string, found: unknown): Answer[] {
  const list = Array.isArray(found) ? found : []
  return list.flatMap((one): Answer[] => {
    switch (type) {
      case 'MX':
        return [{ type, name, ttl: TTL, data: { preference: one.priority, exchange: one.exchange } }]
      case 'SRV':
        return [{ type, name, ttl: TTL, data: { ...one, target: one.name } }]
      case 'TXT':
        return [{ type, name, ttl: TTL, data: one }]
      case 'NS':
      case 'PTR':
      case 'CNAME':
        return [{ type, name, ttl: TTL, data: one }]
      default:
        return []
    }
  })
}
