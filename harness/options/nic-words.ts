/**
 * Network cards in words: `e1000,net=lan,mac=52:54:00:12:34:56,pcap=F`. What is no word of these is an option of the card's
 * own type. QEMU's ways to say the same are in `qemu-nic-words.ts`.
 */
import * as z from 'zod'
import { DEVICE_TYPES } from '../../machine/devices/catalogue.js'
import type { NicConfig } from '../config/machine-config.js'
import { nearest } from '../words/nearest.js'
import { commaParts, type DeviceWords, joined, parseDeviceWords, readDevice, typeNamed } from './device-words.js'
import { OptionError } from './option-error.js'
import { readUserNet, SavedUserNet, type UserNetWords } from './user-net-words.js'

/** A card as `launch()` and guests take it, in words or in parts. */
export type NicWords =
  | string
  | (UserNetWords & {
      /** A network card of `bootwright devices`. */
      type: string
      /** Default `net0`, `net1` … */
      id?: string
      /** Default QEMU's, 52:54:00:12:34:56 and on. */
      mac?: string
      /** What it is plugged into; default `lan`. `user` is the LAN with a way out, to the host's network. */
      net?: 'lan' | 'user' | 'none'
      /** false: the cable is out at power-on. */
      link?: boolean
      /** false: its cable carries no IPv4, and the guest gets no lease. */
      ipv4?: boolean
      /** false: its cable carries no IPv6: no router advertisements come, and no answers. */
      ipv6?: boolean
      /** A file that every frame of the card's is written to, as tcpdump and Wireshark read them. */
      pcap?: string
      /** Of its type. */
      options?: { readonly [option: string]: string | number | boolean }
    })

const Rules = z.union([z.string(), z.array(z.string())])
const OptionValue = z.union([z.string(), z.number(), z.boolean()])
export const NicValue = z
  .union([
    z.string(),
    z.strictObject({
      type: z.string(),
      id: z.string().optional(),
      mac: z.string().optional(),
      net: z.string().optional(),
      link: z.boolean().optional(),
      ipv4: z.boolean().optional(),
      ipv6: z.boolean().optional(),
      pcap: z.string().optional(),
      hostfwd: Rules.optional(),
      guestfwd: Rules.optional(),
      allow: Rules.optional(),
      restrict: z.boolean().optional(),
      options: z.record(z.string(), OptionValue).optional(),
    }),
  ])
  .describe("a network card as in 'e1000,net=lan', or { type, net, mac, pcap, link, ipv4, ipv6, id, options }")

/** As files name it: no file says what else is to be written. */
export const SavedNic = z.object({
  type: z.string().max(64),
  id: z.string().max(64),
  mac: z.string().regex(/^[\da-f]{2}(:[\da-f]{2}){5}$/),
  net: z.enum(['lan', 'user', 'none']),
  link: z.literal(false).optional(),
  ipv4: z.literal(false).optional(),
  ipv6: z.literal(false).optional(),
  user: SavedUserNet.optional(),
  options: z.record(z.string().max(64), z.union([z.string().max(4096), z.number(), z.boolean()])).optional(),
})

/** More than the PCI bus has room for. */
const MOST_CARDS = 24
const FIRST_MAC = 0x525400123456
const MAC = /^[\da-f]{2}(:[\da-f]{2}){5}$/i

export const isOn = (word: string) => ['on', 'y', 'yes', 'true'].includes(word)
export const isOff = (word: string) => ['off', 'n', 'no', 'false'].includes(word)

/** QEMU's other ways out of a machine. */
export const NO_SUCH_NET =
  "cards are plugged into a LAN of the machine's own (lan), into that with a way out by the host's sockets (user), or into nothing (none)"

/** QEMU's other names of cards, short ones of `model=` among them. */
const CARD_ALIASES: { readonly [name: string]: string } = {
  ...{ virtio: 'virtio-net-pci', 'e1000-82540em': 'e1000' },
}
const cardNamed = (name: string) =>
  Object.hasOwn(CARD_ALIASES, name) ? CARD_ALIASES[name] : typeNamed(name, cardTypes())

export const cardTypes = () => DEVICE_TYPES.filter(({ category }) => category === 'Network').map(({ type }) => type)

export function isCard(type: string): boolean {
  return cardTypes().includes(cardNamed(type))
}

/**
 * The cards, each with a name and an address of its own.
 * @throws OptionError
 */
export function readNics(words: readonly NicWords[], where: string): NicConfig[] {
  if (words.length > MOST_CARDS)
    throw new OptionError(`${where} was given ${words.length} times; there is room for ${MOST_CARDS} network cards`)
  const drafts = words.map((one) => readNic(one, where))
  const twice = (of: (string | undefined)[]) => of.find((one, i) => one !== undefined && of.indexOf(one) !== i)
  const id = twice(drafts.map((one) => one.id))
  if (id !== undefined) throw new OptionError(`${where}: two cards have the id '${id}'; give one another`)
  const mac = twice(drafts.map((one) => one.mac))
  if (mac !== undefined)
    throw new OptionError(
      `${where}: two cards have the address ${mac}, and frames for one would reach both; give one another`,
    )
  const pcap = twice(drafts.map((one) => one.pcap))
  if (pcap !== undefined) throw new OptionError(`${where}: two cards write to '${pcap}'; give one another file`)
  const ids = new Set(drafts.map((one) => one.id))
  const macs = new Set(drafts.map((one) => one.mac))
  return drafts.map((draft) => {
    const name = draft.id ?? firstFree(ids, (n) => `net${n}`)
    const address = draft.mac ?? firstFree(macs, (n) => macText(FIRST_MAC + n))
    return { ...draft, id: name, mac: address }
  })
}

function firstFree(taken: Set<string | undefined>, nameOf: (n: number) => string): string {
  let n = 0
  while (taken.has(nameOf(n))) n++
  taken.add(nameOf(n))
  return nameOf(n)
}

function macText(address: number): string {
  const digits = address.toString(16).padStart(12, '0')
  return (digits.match(/../g) as string[]).join(':')
}

/**
 * The cards of the `place`th machine of a network: the fifth byte of the addresses that nobody gave tells machines apart.
 * @param given What was said of the cards.
 */
export function macsOf(nics: readonly NicConfig[], place: number, given: string): NicConfig[] {
  return nics.map((nic, n) => (given.includes(nic.mac) ? nic : { ...nic, mac: macText(FIRST_MAC + place * 256 + n) }))
}

type NicDraft = Omit<NicConfig, 'id' | 'mac'> & Partial<Pick<NicConfig, 'id' | 'mac'>>

function readNic(words: NicWords, where: string): NicDraft {
  const parts = typeof words === 'string' ? parseNicWords(words, where) : words
  const { id, net = 'lan', link = true, ipv4 = true, ipv6 = true, pcap } = parts
  const type = cardNamed(parts.type)
  const what = `${where} ${typeof words === 'string' ? words : type}`
  const isKnown = DEVICE_TYPES.some((known) => known.type === type)
  if (isKnown && !isCard(type))
    throw new OptionError(`${what}: ${type} is no network card; cards are ${cardTypes().join(', ')}`)
  if (!isKnown) {
    const near = nearest(type, cardTypes())
    if (near) throw new OptionError(`${what}: there is no network card '${type}'; did you mean '${near}'?`)
  }
  const mac = readMac(parts.mac, what)
  const others = typeof words === 'string' ? CARD_WORDS : []
  const read = readDevice({ type, ...(parts.options && { options: { ...parts.options } }) }, where, others)
  const options = read.options as NicParts['options']
  const { hostfwd, guestfwd, allow, restrict } = parts
  if (net !== 'user' && [hostfwd, guestfwd, allow, restrict].some((one) => one !== undefined))
    throw new OptionError(`${what}: hostfwd, guestfwd, allow and restrict are of net=user; add that, or leave them out`)
  if (net !== 'lan' && net !== 'user' && net !== 'none')
    throw new OptionError(`${what}: there is no net '${net}'; ${NO_SUCH_NET}`)
  if (!ipv4 && !ipv6)
    throw new OptionError(`${what}: with ipv4=off and ipv6=off no server answers; leave one out, or write net=none`)
  const user = net === 'user' ? readUserNet(parts, what) : undefined
  const lost = user?.forwards?.find(({ guest }) => guest !== undefined && !(guest.includes(':') ? ipv6 : ipv4))
  if (lost)
    throw new OptionError(
      `${what}: hostfwd leads to ${lost.guest}, which the card cannot have; leave out ${lost.guest?.includes(':') ? 'ipv6' : 'ipv4'}=off`,
    )
  if (pcap === '') throw new OptionError(`${what}: pcap is empty; name a file to write`)
  if (id !== undefined && !/^[\w. -]{1,64}$/.test(id))
    throw new OptionError(`${what}: the id '${id}' is not of letters, digits, '_', '-' and '.'`)
  return {
    ...{ type, net },
    ...(id !== undefined && { id }),
    ...(mac !== undefined && { mac }),
    ...(link === false && { link }),
    ...(ipv4 === false && { ipv4 }),
    ...(ipv6 === false && { ipv6 }),
    ...(pcap !== undefined && { pcap }),
    ...(user && { user }),
    ...(options && Object.keys(options).length > 0 && { options: { ...options } }),
  }
}

function readMac(mac: string | undefined, what: string): string | undefined {
  if (mac === undefined) return undefined
  if (!MAC.test(mac))
    throw new OptionError(`${what}: mac '${mac}' is no address; it has six bytes, as in 52:54:00:12:34:56`)
  if (/^[0:]*$/.test(mac)) throw new OptionError(`${what}: mac '${mac}' is nobody's; give another, or leave it out`)
  if (Number.parseInt(mac.slice(0, 2), 16) & 1)
    throw new OptionError(
      `${what}: mac '${mac}' is of a group, and a card's own begins with an even byte, as in 52:54:00:12:34:56`,
    )
  return mac.toLowerCase()
}

type NicParts = Exclude<NicWords, string>

/** These may be there several times. */
export const RULES = /^(hostfwd|guestfwd|allow)=(.*)$/s
/** Of every card, in words. */
const CARD_WORDS = 'net id mac link ipv4 ipv6 pcap hostfwd guestfwd allow restrict'.split(' ')

function parseNicWords(whole: string, where: string): NicParts {
  const all = commaParts(whole)
  const rules = all.flatMap((part) => (RULES.exec(part) ? [RULES.exec(part) as RegExpExecArray] : []))
  const [hostfwd, guestfwd, allow] = ['hostfwd', 'guestfwd', 'allow'].map((name) =>
    rules.filter(([, one]) => one === name).map(([, , rule]) => rule),
  )
  const text = rules.length > 0 ? joined(all.filter((part) => !RULES.test(part))) : whole
  const { type, id, options = {} } = parseDeviceWords(text, where, 'network card')
  const { mac, net, link, ipv4, ipv6, pcap, restrict, ...own } = options as { [option: string]: string | undefined }
  for (const [name, value] of Object.entries({ restrict, link, ipv4, ipv6 }))
    if (value !== undefined && !isOn(value) && !isOff(value))
      throw new OptionError(`${where} ${whole}: ${name} is on or off, not '${value}'`)
  return {
    type,
    ...(id !== undefined && { id }),
    ...(mac !== undefined && { mac }),
    ...(net !== undefined && { net: net as 'lan' }),
    ...(link !== undefined && isOff(link) && { link: false }),
    ...(ipv4 !== undefined && isOff(ipv4) && { ipv4: false }),
    ...(ipv6 !== undefined && isOff(ipv6) && { ipv6: false }),
    ...(pcap !== undefined && { pcap }),
    ...(hostfwd.length > 0 && { hostfwd }),
    ...(guestfwd.length > 0 && { guestfwd }),
    ...(allow.length > 0 && { allow }),
    ...(restrict !== undefined && (net === 'user' || isOn(restrict)) && { restrict: isOn(restrict) }),
    ...(Object.keys(own).length > 0 && { options: own as { [option: string]: string } }),
  }
}

/**
 * A card that is plugged in as any device, as in `--device e1000`: QEMU's is connected to nothing then.
 * @throws OptionError
 */
export function cardOfDevice(device: DeviceWords, where: string): NicWords | undefined {
  const spec = typeof device === 'string' ? parseDeviceWords(device, where) : device
  if (!isCard(spec.type)) return undefined
  const type = cardNamed(spec.type)
  const { netdev, ...options } = (spec.options ?? {}) as NonNullable<NicParts['options']>
  if (netdev !== undefined)
    throw new OptionError(
      `${where} ${spec.type}: there is no --netdev with the id '${netdev}'; add it, or give the card by --nic`,
    )
  const read = readDevice({ type, options }, where, ['netdev', 'id'])
  const { mac, ...rest } = (read.options ?? {}) as NonNullable<NicParts['options']>
  return {
    ...{ type, net: 'none' },
    ...(spec.id !== undefined && { id: spec.id }),
    ...(mac !== undefined && { mac: String(mac) }),
    ...(Object.keys(rest).length > 0 && { options: rest }),
  }
}
