/** `--serial` and `--debugcon`: where a guest's characters go, in QEMU's words as well. Touches no file. */
import type { SocketAddress } from '../live/socket-address.js'
import { UsageError } from './errors.js'
import { parseSocketAddress } from './socket-options.js'

/** COM1 on a socket. */
export interface SerialSocketRequest {
  address: SocketAddress
  /** Somebody else listens there. */
  connects: boolean
  /** The machine begins when somebody is there. */
  waits: boolean
}

export interface SerialRequest {
  /** A path, or `stdio`. */
  serial?: string
  serialSocket?: SerialSocketRequest
}

const PLACES = 'it takes FILE, stdio or none'

/** A path, `stdio`, or undefined: nowhere. */
export function parseCharacters(option: string, text: string | undefined, places = PLACES): string | undefined {
  if (text === undefined || text === 'none' || text === 'null') return undefined
  if (text === 'stdio' || text === 'mon:stdio') return 'stdio'
  if (text.startsWith('file:')) return text.slice('file:'.length)
  if (/^(?:pty|vc|msmouse|braille)$|^(?:tcp|udp|telnet|websocket|unix|pipe|chardev|vc|pty|mon|con):/.test(text))
    throw new UsageError(`${option} ${text} is not known here; ${places}`)
  return text
}

/** Of a socket QEMU's default: without `server` it connects, and with it the machine waits for somebody. */
export function parseSerial(text: string | undefined): SerialRequest {
  if (text === undefined || !/^(?:tcp|telnet|unix):/.test(text))
    return { serial: parseCharacters('--serial', text, `${PLACES}, or a socket, as in unix:PATH,server=on,wait=off`) }
  const found = parseSocketAddress(text)
  if (!found)
    throw new UsageError(
      `--serial ${text} is no socket; write unix:PATH or tcp:HOST:PORT, with ,server=on,wait=off to listen`,
    )
  // As QEMU has it, telnet's are served: it is people who come.
  const server = found.server ?? text.startsWith('telnet:')
  return { serialSocket: { address: found.address, connects: !server, waits: server && found.wait !== false } }
}
