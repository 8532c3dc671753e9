/** What `net=user` says: QEMU's `hostfwd=tcp:127.0.0.1:2222-:22` and `restrict=on`, and `allow=127.0.0.1:8080`. */
import { isIP, isIPv6 } from 'node:net'
import { z } from 'zod'
import type { AllowRule, ForwardConfig, UserNetConfig } from '../config/way-out.js'
import { OptionError } from './option-error.js'

export interface UserNetWords {
  /** Ports of the host's whose connections are the guest's, as in `tcp::2222-:22`; by default at 127.0.0.1 alone. */
  hostfwd?: string | readonly string[]
  /** Addresses of the host's, private ones and those of the link that the guest may reach: `127.0.0.1:8080`, `192.168.1.0/24`. */
  allow?: string | readonly string[]
  /** Nothing goes out; forwarded connections come in. */
  restrict?: boolean
}

const MOST_RULES = 256
const Address = z.union([z.ipv4(), z.ipv6()])

/** As files name it, without the host's ports. */
export const SavedUserNet = z.object({
  restrict: z.literal(true).optional(),
  allow: z
    .array(
      z.object({
        address: Address,
        prefix: z.int().min(0).max(128).optional(),
        port: z.int().min(1).max(65535).optional(),
      }),
    )
    .max(MOST_RULES)
    .optional(),
  host: z.array(z.string().max(64)).max(1024).optional(),
})

const HOST = '127.0.0.1'

/** @throws OptionError */
export function readUserNet({ hostfwd, allow, restrict }: UserNetWords, what: string): UserNetConfig {
  const [forwards, rules] = [[hostfwd ?? []].flat(), [allow ?? []].flat()]
  if (forwards.length > MOST_RULES || rules.length > MOST_RULES)
    throw new OptionError(`${what}: there are more than ${MOST_RULES} rules; leave some out`)
  if (restrict && rules.length > 0)
    throw new OptionError(`${what}: restrict lets nothing out, and allow names what may go; leave one out`)
  const read = forwards.map((text) => readForward(text, what))
  const twice = read.find(
    ({ address, port }, i) => port !== 0 && read.findIndex((one) => one.address === address && one.port === port) !== i,
  )
  if (twice) throw new OptionError(`${what}: port ${twice.port} of ${twice.address} is forwarded twice; leave one out`)
  return {
    ...(restrict && { restrict }),
    ...(rules.length > 0 && { allow: rules.map((text) => readRule(text, what)) }),
    ...(read.length > 0 && { forwards: read }),
  }
}

/** QEMU's `[tcp]:[hostaddr]:hostport-[guestaddr]:guestport`. */
function readForward(text: string, what: string): ForwardConfig {
  const wrong = (why: string) => new OptionError(`${what}: hostfwd '${text}' ${why}`)
  const [, protocol, address, port, guest, guestPort] =
    /^(\w*):(\[[^\]]*\]|[^:[\]]*):(\d+)-(\[[^\]]*\]|[^:[\]]*):(\d+)$/.exec(text) ?? []
  if (guestPort === undefined) throw wrong('is no rule; write it as in tcp::2222-:22')
  if (protocol === 'udp') throw wrong('forwards UDP, which is not there; forward TCP')
  if (protocol !== 'tcp' && protocol !== '') throw wrong('is of no protocol that is known; write tcp')
  if (Number(port) > 65535) throw wrong(`has ${port}, which is no port of the host; they are 1 to 65535, 0 is any`)
  if (Number(guestPort) < 1 || Number(guestPort) > 65535)
    throw wrong(`has ${guestPort}, which is no port of the guest; they are 1 to 65535`)
  const [bound, to] = [bare(address), bare(guest)]
  if (bound !== '' && isIP(bound) === 0) throw wrong(`has '${bound}', which is no address; write one as in 127.0.0.1`)
  if (to !== '' && isIP(to) === 0) throw wrong(`has '${to}', which is no address; write one as in 10.0.2.15`)
  return {
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
