/** The name server (RFC 1035): the LAN's services and the machines that told their names by DHCP. There are no other names. */
import {
  type Answer,
  AUTHORITATIVE_ANSWER,
  decode,
  encode,
  type Packet,
  type Question,
  RECURSION_DESIRED,
} from 'dns-packet'
import { type Address, addressText, GATEWAY, GATEWAY6, NAME_SERVER, NAME_SERVER6 } from '../addresses.js'
import { DOMAIN } from './dhcp.js'

const TTL = 60
const NXDOMAIN = 3
const NOT_IMPLEMENTED = 4
const RECURSION_AVAILABLE = 1 << 7
/** Without EDNS none is longer. */
const LONGEST = 512

const SERVICES: { readonly [name: string]: { v4: Address; v6: Address } } = {
  ...Object.fromEntries(['gateway', 'http', 'tftp', 'ntp'].map((name) => [name, { v4: GATEWAY, v6: GATEWAY6 }])),
  dns: { v4: NAME_SERVER, v6: NAME_SERVER6 },
}

/** What the one who asks can reach. */
export interface Families {
  v4: boolean
  v6: boolean
}

const BOTH: Families = { v4: true, v6: true }

/** Machines of the LAN. */
export interface Names {
  addressOf(name: string): Address | undefined
  nameOf(address: Address): string | undefined
}

export interface DnsReply {
  data: Uint8Array
  /** `A gateway.lan.internal`. */
  question: string
  result: string
  /** The name is nothing of the LAN's. */
  isElsewhere: boolean
}

/** undefined: it is no question. Nobody is told addresses of a family that its cable does not carry. */
export function answerDns(data: Uint8Array, names: Names, families = BOTH): DnsReply | undefined {
  if (data.length > LONGEST) return undefined
  let packet: Packet & { opcode?: string }
  try {
    packet = decode(Buffer.from(data))
  } catch {
    return undefined
  }
  const question = packet.questions?.[0]
  if (packet.type !== 'query' || !question || packet.questions?.length !== 1) return undefined
  const isQuery = packet.opcode === undefined || packet.opcode === 'QUERY'
  const { answers, known } = isQuery ? lookUp(question, names, families) : { answers: [], known: true }
  const code = !isQuery ? NOT_IMPLEMENTED : known ? 0 : NXDOMAIN
  const flags = AUTHORITATIVE_ANSWER | RECURSION_AVAILABLE | ((packet.flags ?? 0) & RECURSION_DESIRED) | code
  try {
    const reply = encode({ type: 'response', id: packet.id, flags, questions: [question], answers })
    const result = !isQuery ? 'not implemented' : !known ? 'no such name' : words(answers)
    return { data: reply, question: `${question.type} ${question.name}`, result, isElsewhere: isQuery && !known }
  } catch {
    // A type that the package can read and cannot write.
    return undefined
  }
}

function words(answers: readonly Answer[]): string {
  return answers.map((answer) => ('data' in answer ? String(answer.data) : '')).join(' ') || 'nothing of that type'
}

function lookUp({ name, type }: Question, names: Names, families: Families): { answers: Answer[]; known: boolean } {
  const lower = name.toLowerCase().replace(/\.$/, '')
  if (type === 'PTR') {
    const pointed = pointedTo(lower, names)
    return { answers: pointed ? [{ type, name, ttl: TTL, data: pointed }] : [], known: pointed !== undefined }
  }
  const label = lower.endsWith(`.${DOMAIN}`) ? lower.slice(0, -DOMAIN.length - 1) : lower
  const service = Object.hasOwn(SERVICES, label) ? SERVICES[label] : undefined
  const v4 = service?.v4 ?? names.addressOf(label)
  if (!v4) return { answers: [], known: lower === DOMAIN }
  if (type === 'A' && families.v4) return { answers: [{ type, name, ttl: TTL, data: addressText(v4) }], known: true }
  if (type === 'AAAA' && families.v6 && service)
    return { answers: [{ type, name, ttl: TTL, data: addressText(service.v6) }], known: true }
  return { answers: [], known: true }
}

/** The name of what `15.2.0.10.in-addr.arpa` stands for. */
function pointedTo(name: string, names: Names): string | undefined {
  const digits = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.in-addr\.arpa$/.exec(name)
  if (!digits) return undefined
  const address = Uint8Array.from(digits.slice(1, 5).reverse(), Number)
  const text = addressText(address)
  const service = Object.keys(SERVICES).find((one) => addressText(SERVICES[one].v4) === text)
  const host = service ?? names.nameOf(address)
  return host && `${host}.${DOMAIN}`
}
