/** QEMU's `-nic`, `-netdev` with `-device`, and the old `-net`, as the words of `nic-words.ts`. */
import { nearest } from '../words/nearest.js'
import { commaParts, joined } from './device-words.js'
import { cardTypes, isCard, isOff, isOn, NO_SUCH_NET, RULES } from './nic-words.js'
import { OptionError } from './option-error.js'

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
