/** Sockets as options name them, in QEMU's words: `unix:PATH`, `tcp:HOST:PORT,server=on,wait=off`. */
import type { SocketAddress } from '../live/socket-address.js'

const LAST_PORT = 65535

export interface SocketWords {
  address: SocketAddress
  /** `server` and `wait` of what stands behind a comma; undefined where neither on nor off is said. */
  server?: boolean
  wait?: boolean
}

/** `unix:PATH`, `:PORT`, `HOST:PORT`, `tcp:HOST:PORT`; undefined where it is none of these. */
export function parseSocketAddress(text: string): SocketWords | undefined {
  const [address] = text.split(/,(?:server|nowait|wait|nodelay|telnet)\b/)
  const words = text.slice(address.length).split(',')
  const said = (word: string) => {
    if (words.includes(word) || words.includes(`${word}=on`)) return true
    return words.includes(`no${word}`) || words.includes(`${word}=off`) ? false : undefined
  }
  const asked = { server: said('server'), wait: said('wait') }
  const path = /^(?:unix:)?(.*\/.*|.+\.sock)$/.exec(address)?.[1] ?? /^unix:(.+)$/.exec(address)?.[1]
  if (path !== undefined) return { address: { path }, ...asked }
  const [, host, port] = /^(?:tcp:|telnet:)?(?:(\[[\da-f:.]+\]|[\w.-]*):)(\d{1,5})$/i.exec(address) ?? []
  if (port === undefined || Number(port) > LAST_PORT) return undefined
  return { address: { host: host ? host.replace(/^\[|\]$/g, '') : '127.0.0.1', port: Number(port) }, ...asked }
}
