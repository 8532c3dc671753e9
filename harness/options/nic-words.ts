/**
 * Network cards in words: `e1000,net=lan,mac=52:54:00:12:34:56,pcap=F`, and QEMU's ways to say the same, `-nic`, `-netdev`
 * with `-device`, and the old `-net`. What is no word of these is an option of the card's own type.
 */
import * as z from 'zod'
import { DEVICE_TYPES } from '../../machine/devices/catalogue.js'
import type { NicConfig } from '../config/machine-config.js'
import { nearest } from '../words/nearest.js'
import { commaParts, type DeviceWords, parseDeviceWords, readDevice, typeNamed } from './device-words.js'
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

/** QEMU's other ways out of a machine. */
const NO_SUCH_NET =
  "cards are plugged into a LAN of the machine's own (lan), into that with a way out by the host's sockets (user), or into nothing (none)"

/** QEMU's other names of cards, short ones of `model=` among them. */
const CARD_ALIASES: { readonly [name: string]: string } = {
  ...{ virtio: 'virtio-net-pci', 'e1000-82540em': 'e1000' },
}
const cardNamed = (name: string) =>
  Object.hasOwn(CARD_ALIASES, name) ? CARD_ALIASES[name] : typeNamed(name, cardTypes())

const cardTypes = () => DEVICE_TYPES.filter(({ category }) => category === 'Network').map(({ type }) => type)

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
const RULES = /^(hostfwd|guestfwd|allow)=(.*)$/s
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

// QEMU's words -------------------------------------------------------------------------------------------------------

const isOn = (word: string) => ['on', 'y', 'yes', 'true'].includes(word)
const isOff = (word: string) => ['off', 'n', 'no', 'false'].includes(word)

/** `restrict=on`, or `restrict` alone, as QEMU takes it. */
function readSwitch(part: string, wrong: (what: string) => OptionError): boolean {
  const [name, value = 'on'] = part.split(/=(.*)/s, 2)
  if (!isOn(value) && !isOff(value)) throw wrong(`${name} is on or off, not '${value}'`)
  return isOn(value)
}

/** Of user networks in QEMU: what a guest sees nothing of. */
const AS_HERE = ['hostname', 'vectors']
/** What QEMU's user network serves and the LAN serves otherwise. */
const ELSEWHERE: { readonly [name: string]: string } = {
  ...Object.fromEntries(
    ['smb', 'smbserver'].map((name) => [name, 'no server here speaks SMB; serve files by --http or --tftp']),
  ),
  'tftp-server-name': 'the server is the gateway, 10.0.2.2; leave it out',
}
/** These would be other addresses than the LAN's. */
const ADDRESSES =
  'net host ipv6-net ipv6-prefix ipv6-prefixlen ipv6-host dhcpstart dns ipv6-dns dnssearch domainname'.split(' ')

interface UserNet {
  id?: string
  model?: string
  /** What it is plugged into, with its rules. */
  net: string[]
  /** For the card: mac, and what is its type's own. */
  card: string[]
  /** As `--tftp` takes it. */
  tftp?: string
}

/** A card as `--nic` takes it, and what else was said with it. */
export interface QemuNic {
  nic?: string
  tftp?: string
}

/** `user,model=e1000,mac=…`. Throws an OptionError. */
function parseUserNet(text: string, where: string): UserNet | undefined {
  const all = commaParts(text)
  if (/(^|[,=])help$/.test(text)) throw new OptionError(`${where} ${text}: 'bootwright devices' lists the cards`)
  const place = all.findIndex((part, i) => part.startsWith('type=') || (i === 0 && !part.includes('=')))
  const parts = all.filter((_, i) => i !== place)
  if (place < 0)
    throw new OptionError(`${where} ${text} names no net; write user, lan or none first, as in ${where} user`)
  const kind = all[place].replace(/^type=/, '')
  if (kind.startsWith('{'))
    throw new OptionError(`${where} ${text}: JSON is not taken; write it as in ${where} user,id=n0`)
  if (kind === 'none') return undefined
  const wrong = (what: string) => new OptionError(`${where} ${text}: ${what}`)
  if (kind !== 'user' && kind !== 'lan') {
    const near = nearest(kind, ['user', 'none', ...cardTypes()])
    throw wrong(`there is no net '${kind}'; ${near ? `did you mean '${near}'?` : NO_SUCH_NET}`)
  }
  const names = parts.filter((part) => !RULES.test(part)).map((part) => part.split('=')[0])
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice !== undefined) throw wrong(`it has ${twice} twice; leave one out`)
  const net: UserNet = { net: [`net=${kind}`], card: [] }
  let isRestricted = false
  const families: { ipv4?: boolean; ipv6?: boolean } = {}
  let [folder, bootFile]: (string | undefined)[] = []
  for (const part of parts) {
    const [name, value = ''] = part.split(/=(.*)/s, 2)
    if (name === 'id') net.id = value
    else if (name === 'tftp') folder = value
    else if (name === 'bootfile') bootFile = value
    else if (Object.hasOwn(ELSEWHERE, name)) throw wrong(`${name} is not taken: ${ELSEWHERE[name]}`)
    else if (name === 'model') net.model = value
    else if (name === 'restrict') isRestricted = readSwitch(part, wrong)
    else if (['hostfwd', 'guestfwd', 'allow'].includes(name)) net.net.push(part)
    else if (ADDRESSES.includes(name))
      throw wrong(
        `${name} cannot be changed: the LAN is 10.0.2.0/24 with its gateway at 10.0.2.2, as QEMU's; leave it out`,
      )
    else if (name === 'ipv4' || name === 'ipv6') families[name] = readSwitch(part, wrong)
    else if (!AS_HERE.includes(name)) net.card.push(part)
  }
  if (bootFile !== undefined && !folder) throw wrong('bootfile names a file of tftp=FOLDER; add that')
  if (folder !== undefined) net.tftp = joined([folder, ...(bootFile === undefined ? [] : [`bootfile=${bootFile}`])])
  // What lets nothing out, and nothing in, is the machine's own LAN.
  if (isRestricted && net.net.length === 1) net.net = []
  else if (isRestricted) net.net.push('restrict=on')
  net.net.push(...familiesOff(families))
  return net
}

/** Of QEMU's user network: one family that is on by its name leaves the other one off. */
function familiesOff({ ipv4, ipv6 }: { ipv4?: boolean; ipv6?: boolean }): string[] {
  const isOff4 = ipv4 === false || (ipv4 === undefined && ipv6 === true)
  const isOff6 = ipv6 === false || (ipv6 === undefined && ipv4 === true)
  return [...(isOff4 ? ['ipv4=off'] : []), ...(isOff6 ? ['ipv6=off'] : [])]
}

const DEFAULT_MODEL = 'e1000'
const joined = (parts: readonly string[]) => parts.map((part) => part.replaceAll(',', ',,')).join(',')

/**
 * QEMU's `-nic user,model=e1000` as `--nic` takes it; nothing for none.
 * @throws OptionError
 */
export function nicFromQemu(text: string, where: string): QemuNic {
  // This command's own words begin with a card.
  if (isCard(text.split(',')[0])) return { nic: text }
  const net = parseUserNet(text, where)
  if (!net) return {}
  const { model = DEFAULT_MODEL, id, card, tftp } = net
  const nic = joined([model, ...(id === undefined ? [] : [`id=${id}`]), ...net.net, ...card])
  return { nic, ...(tftp !== undefined && { tftp }) }
}

const OF_OLD_NIC = ['model', 'macaddr', 'name', 'vectors']

/**
 * QEMU's old `-net nic,model=…`; its other half, `-net user`, is what such a card has anyway.
 * @throws OptionError
 */
export function oldNicFromQemu(text: string, where: string): QemuNic {
  const [kind, ...parts] = commaParts(text)
  if (kind !== 'nic') {
    const { net = [], card = [], tftp } = parseUserNet(text, where) ?? {}
    if (card.length > 0) throw new OptionError(`${where} ${text}: there is no '${card[0].split('=')[0]}'; leave it out`)
    const rule = net[1]
    if (rule !== undefined)
      throw new OptionError(
        `${where} ${text}: '${rule.split('=')[0]}' is said of a card; write -nic ${text},model=e1000`,
      )
    return tftp === undefined ? {} : { tftp }
  }
  const known = new Map(parts.map((part) => part.split(/=(.*)/s, 2) as [string, string]))
  const other = [...known.keys()].find((name) => !OF_OLD_NIC.includes(name))
  if (other !== undefined) {
    const near = nearest(other, OF_OLD_NIC)
    throw new OptionError(
      `${where} ${text}: there is no '${other}'; ${near ? `did you mean '${near}'?` : `it takes ${OF_OLD_NIC.join(', ')}`}`,
    )
  }
  const mac = known.get('macaddr')
  return { nic: joined([known.get('model') ?? DEFAULT_MODEL, ...(mac === undefined ? [] : [`mac=${mac}`])]) }
}

/**
 * Cards by QEMU's `-device e1000,netdev=n0` with its `-netdev user,id=n0`, and the other devices.
 * @throws OptionError
 */
export function joinNetdevs(
  netdevs: readonly string[],
  devices: readonly string[],
  where: string,
): { nics: string[]; devices: string[]; tftp?: string } {
  const nets = new Map<string, { text: string; used: boolean; words: string[] }>()
  let tftp: string | undefined
  for (const text of netdevs) {
    const [kind] = commaParts(text)
    const id = commaParts(text)
      .find((part) => part.startsWith('id='))
      ?.slice(3)
    const net = parseUserNet(text, where)
    if (net && net.card.length > 0)
      throw new OptionError(`${where} ${text}: there is no '${net.card[0].split('=')[0]}'; leave it out`)
    if (!id) throw new OptionError(`${where} ${text} has no id; write ${kind},id=n0, and netdev=n0 of the card`)
    if (net?.tftp !== undefined) tftp = net.tftp
    if (nets.has(id)) throw new OptionError(`${where}: two have the id '${id}'; give one another`)
    nets.set(id, { text, used: false, words: net?.net ?? ['net=none'] })
  }
  const nics: string[] = []
  const rest: string[] = []
  for (const text of devices) {
    const parts = commaParts(text)
    const at = parts.findIndex((part) => part.startsWith('netdev='))
    const net = at < 0 ? undefined : nets.get(parts[at].slice('netdev='.length))
    if (at >= 0 && !net && nets.size > 0)
      throw new OptionError(
        `${where}: ${text} is connected to none of these; there are ${[...nets.keys()].map((id) => `'${id}'`).join(', ')}`,
      )
    if (!net) {
      rest.push(text)
      continue
    }
    if (net.used) throw new OptionError(`${where} ${net.text}: two cards are connected to it; give each its own`)
    net.used = true
    nics.push(joined([...parts.filter((_, i) => i !== at), ...net.words]))
  }
  const unused = [...nets.values()].find(({ used }) => !used)
  if (unused)
    throw new OptionError(
      `${where} ${unused.text}: no card is connected to it; add --device TYPE,netdev=ID, or write --nic TYPE alone`,
    )
  return { nics, devices: rest, ...(tftp !== undefined && { tftp }) }
}
