/**
 * What `net=user` says: QEMU's `hostfwd=tcp:127.0.0.1:2222-:22`, `guestfwd=tcp:10.0.2.100:80-tcp:127.0.0.1:8080` and
 * `restrict=on`, and `allow=127.0.0.1:8080`.
 */
import { isIP, isIPv6 } from 'node:net'
import * as z from 'zod'
import { ipv4, isGroup, isNeighbour, isOwn } from '../../machine/network/lan/addresses.js'
import type { AllowRule, ForwardConfig, GuestForwardConfig, UserNetConfig } from '../config/way-out.js'
import { OptionError } from './option-error.js'

export interface UserNetWords {
  /** Ports of the host's whose connections are the guest's, as in `tcp::2222-:22` or `udp::5353-:53`; by default at 127.0.0.1 alone. */
  hostfwd?: string | readonly string[]
  /**
   * Servers that the guest finds at an address of its LAN, as in `tcp:10.0.2.100:80-tcp:127.0.0.1:8080`, or
   * `tcp:10.0.2.100:80-cmd:PROGRAM`, which is run for each connection.
   */
  guestfwd?: string | readonly string[]
  /** Addresses of the host's, private ones and those of the link that the guest may reach: `127.0.0.1:8080`, `192.168.1.0/24`. */
  allow?: string | readonly string[]
  /** Nothing goes out but what guestfwd names; forwarded connections come in. */
  restrict?: boolean
}

const MOST_RULES = 256
const Address = z.union([z.ipv4(), z.ipv6()])
const Port = z.int().min(1).max(65535)

/** As files name it, without the host's ports, and without what is run or dialled for the guest. */
export const SavedUserNet = z.object({
  restrict: z.literal(true).optional(),
  allow: z
    .array(
      z.object({
        address: Address,
        prefix: z.int().min(0).max(128).optional(),
        port: Port.optional(),
      }),
    )
    .max(MOST_RULES)
    .optional(),
  guestForwards: z
    .array(z.object({ address: z.ipv4().refine(isFree), port: Port }))
    .max(MOST_RULES)
    .optional(),
  host: z.array(z.string().max(64)).max(1024).optional(),
})

const HOST = '127.0.0.1'
/** QEMU's, where a rule names none. */
const GUEST_FORWARD = '10.0.2.4'

/** @throws OptionError */
export function readUserNet({ hostfwd, guestfwd, allow, restrict }: UserNetWords, what: string): UserNetConfig {
  const [forwards, servers, rules] = [hostfwd, guestfwd, allow].map((words) => [words ?? []].flat())
  if ([forwards, servers, rules].some(({ length }) => length > MOST_RULES))
    throw new OptionError(`${what}: there are more than ${MOST_RULES} rules; leave some out`)
  if (restrict && rules.length > 0)
    throw new OptionError(`${what}: restrict lets nothing out, and allow names what may go; leave one out`)
  const read = forwards.map((text) => readForward(text, what))
  const guests = servers.map((text) => readGuestForward(text, what))
  const twice = [
    repeated(read.filter(({ port }) => port !== 0)),
    repeated(guests.map(({ address, port }) => ({ address, port }))),
  ].find((one) => one !== undefined)
  if (twice) throw new OptionError(`${what}: port ${twice.port} of ${twice.address} is forwarded twice; leave one out`)
  return {
    ...(restrict && { restrict }),
    ...(rules.length > 0 && { allow: rules.map((text) => readRule(text, what)) }),
    ...(read.length > 0 && { forwards: read }),
    ...(guests.length > 0 && { guestForwards: guests }),
  }
}

type Place = { address: string; port: number; protocol?: 'udp' }

function repeated(places: readonly Place[]): Place | undefined {
  const key = ({ address, port, protocol }: Place) => `${protocol ?? 'tcp'} ${address} ${port}`
  return places.find((one, i) => places.findIndex((other) => key(other) === key(one)) !== i)
}

/** Of the LAN, and not the address of a service. */
function isFree(address: string): boolean {
  const bytes = ipv4(address)
  return isNeighbour(bytes) && !isOwn(bytes) && !isGroup(bytes)
}

/** QEMU's `[tcp]:[address]:port-tcp:HOST:PORT` and `…-cmd:PROGRAM`. */
function readGuestForward(text: string, what: string): GuestForwardConfig {
  const wrong = (why: string) => new OptionError(`${what}: guestfwd '${text}' ${why}`)
  const [, protocol, named, port, to] = /^(\w*):([^:]*):(\d+)-(.+)$/s.exec(text) ?? []
  if (to === undefined)
    throw wrong('is no rule; write it as in tcp:10.0.2.100:80-tcp:127.0.0.1:8080 or tcp:10.0.2.100:80-cmd:PROGRAM')
  if (protocol !== 'tcp' && protocol !== '') throw wrong('is not of TCP, and nothing else can be; write tcp')
  const address = named || GUEST_FORWARD
  if (isIP(address) !== 4 || !isFree(address))
    throw wrong(`has '${address}', which is no address of the LAN that is free; take one as in 10.0.2.100`)
  if (Number(port) < 1 || Number(port) > 65535) throw wrong(`has ${port}, which is no port; they are 1 to 65535`)
  const place = { address, port: Number(port) }
  const [, command] = /^cmd:(.*)$/s.exec(to) ?? []
  if (command !== undefined) {
    if (command.trim() === '') throw wrong('names no program; write -cmd:PROGRAM')
    return { ...place, to: { command } }
  }
  const [, host, hostPort] = /^tcp:(\[[^\]]+\]|[^:[\]]+):(\d+)$/.exec(to) ?? []
  if (host === undefined) throw wrong(`leads to '${to}', which cannot be; write -tcp:HOST:PORT or -cmd:PROGRAM`)
  if (Number(hostPort) < 1 || Number(hostPort) > 65535)
    throw wrong(`has ${hostPort}, which is no port of the host; they are 1 to 65535`)
  return { ...place, to: { host: bare(host), port: Number(hostPort) } }
}

/** QEMU's `[tcp|udp]:[hostaddr]:hostport-[guestaddr]:guestport`. */
function readForward(text: string, what: string): ForwardConfig {
  const wrong = (why: string) => new OptionError(`${what}: hostfwd '${text}' ${why}`)
  const [, protocol, address, port, guest, guestPort] =
    /^(\w*):(\[[^\]]*\]|[^:[\]]*):(\d+)-(\[[^\]]*\]|[^:[\]]*):(\d+)$/.exec(text) ?? []
  if (guestPort === undefined) throw wrong('is no rule; write it as in tcp::2222-:22')
  if (!['tcp', 'udp', ''].includes(protocol)) throw wrong('is of no protocol that is known; write tcp or udp')
  if (Number(port) > 65535) throw wrong(`has ${port}, which is no port of the host; they are 1 to 65535, 0 is any`)
  if (Number(guestPort) < 1 || Number(guestPort) > 65535)
    throw wrong(`has ${guestPort}, which is no port of the guest; they are 1 to 65535`)
  const [bound, to] = [bare(address), bare(guest)]
  if (bound !== '' && isIP(bound) === 0) throw wrong(`has '${bound}', which is no address; write one as in 127.0.0.1`)
  if (to !== '' && isIP(to) === 0) throw wrong(`has '${to}', which is no address; write one as in 10.0.2.15`)
  return {
    ...(protocol === 'udp' && { protocol }),
    ...{ address: bound || HOST, port: Number(port), guestPort: Number(guestPort) },
    ...(to !== '' && { guest: to }),
  }
}

/** `ADDRESS[/PREFIX][:PORT]`, IPv6 in brackets where a port follows. */
function readRule(text: string, what: string): AllowRule {
  const [, bracketed, plain, prefix, port] =
    /^(?:\[([^\]]*)\]|([^:/]*|[^/[\]]*:[^/[\]]*:[^/[\]]*))(?:\/(\d+))?(?::(\d+))?$/.exec(text) ?? []
  const address = bracketed ?? plain
  if (address === undefined || isIP(address) === 0)
    throw new OptionError(`${what}: allow '${text}' is no address; write it as in 127.0.0.1:8080 or 192.168.1.0/24`)
  const most = isIPv6(address) ? 128 : 32
  if (prefix !== undefined && Number(prefix) > most)
    throw new OptionError(`${what}: allow '${text}' has ${prefix} bits of network; there are up to ${most}`)
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65535))
    throw new OptionError(`${what}: allow '${text}' has ${port}, which is no port; they are 1 to 65535`)
  return {
    address,
    ...(prefix !== undefined && { prefix: Number(prefix) }),
    ...(port !== undefined && { port: Number(port) }),
  }
}

function bare(address: string): string {
  return address.replace(/^\[|\]$/g, '')
}
