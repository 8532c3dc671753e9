/** `--ui`, `--ui-port` and `--vnc`: where a machine can be looked at while it runs. Touches no file. */
import { UsageError } from './errors.js'

export interface ViewFlags {
  ui?: boolean
  uiPort?: string
  vnc?: string
}

export interface VncRequest {
  host: string
  port: number
  passwordFile?: string
}

export interface ViewRequest {
  /** The page's port, 0 for any; undefined: no page. */
  uiPort: number | undefined
  vnc: VncRequest | undefined
}

/** Of viewers that reach farther than this host. */
export const PASSWORD_VARIABLE = 'BOOTWRIGHT_VNC_PASSWORD'
const FIRST_PORT = 5900
const LAST_PORT = 65535

export function parseViews({ ui, uiPort, vnc }: ViewFlags): ViewRequest {
  if (uiPort !== undefined && !ui) throw new UsageError('--ui-port goes with a page in the browser; add --ui')
  return {
    uiPort: ui ? (uiPort === undefined ? 0 : parsePort(uiPort)) : undefined,
    vnc: vnc === undefined ? undefined : parseVnc(vnc),
  }
}

function parsePort(text: string): number {
  if (!/^\d+$/.test(text) || Number(text) > LAST_PORT)
    throw new UsageError(`--ui-port '${text}' is no port; give 1 to ${LAST_PORT}, or 0 for any that is free`)
  return Number(text)
}

/** QEMU's way: `:1`, `0.0.0.0:1`, `[::1]:1`, and `,password=FILE` behind it. */
function parseVnc(text: string): VncRequest {
  const [address, ...settings] = text.split(',')
  const [, host, display] = /^(\[[\da-f:.]+\]|[\w.-]*):(\d+)$/i.exec(address) ?? []
  if (display === undefined)
    throw new UsageError(`--vnc '${text}' is no display; give :1 for port 5901, or an address as in 0.0.0.0:1`)
  const port = FIRST_PORT + Number(display)
  if (port > LAST_PORT)
    throw new UsageError(
      `--vnc '${text}': display ${display} would be port ${port}; the last is ${LAST_PORT - FIRST_PORT}`,
    )
  const request: VncRequest = { host: host === '' ? '127.0.0.1' : host.replace(/^\[|\]$/g, ''), port }
  for (const setting of settings) {
    const file = /^password=(.+)$/.exec(setting)?.[1]
    if (file === undefined)
      throw new UsageError(`--vnc '${text}': '${setting}' is unknown; it takes password=FILE, a file with the password`)
    if (request.passwordFile !== undefined) throw new UsageError(`--vnc '${text}' has password twice`)
    request.passwordFile = file
  }
  return request
}

/** What viewers must know; undefined: nothing. `text` is the password file's, `env` the environment's. */
export function vncPassword({ host, port }: VncRequest, text: string | undefined, env: NodeJS.ProcessEnv) {
  const password = text?.replace(/\r?\n$/, '') ?? env[PASSWORD_VARIABLE]
  if (password === '')
    throw new UsageError(`--vnc: the password is empty; write one into its file or into ${PASSWORD_VARIABLE}`)
  if (password === undefined && !isLoopback(host))
    throw new UsageError(
      `--vnc ${host}:${port - FIRST_PORT} can be reached from other hosts and needs a password; ` +
        `add ,password=FILE or set ${PASSWORD_VARIABLE}`,
    )
  return password
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}
