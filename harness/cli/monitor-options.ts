/** `--monitor` and `--qmp`: where a monitor is; QEMU's words work as well. Touches no file. */
import type { MonitorAddress } from '../live/monitor-server.js'
import { UsageError } from './errors.js'

export interface MonitorFlags {
  monitor?: string
  qmp?: string
}

export interface MonitorRequest {
  monitor: MonitorAddress | 'stdio' | undefined
  qmp: MonitorAddress | 'stdio' | undefined
}

const LAST_PORT = 65535

export function parseMonitors({ monitor, qmp }: MonitorFlags): MonitorRequest {
  const of = (option: string, text: string | undefined) =>
    text === undefined || text === 'none' ? undefined : text === 'stdio' ? text : parseMonitorAddress(option, text)
  const request = { monitor: of('--monitor', monitor), qmp: of('--qmp', qmp) } as MonitorRequest
  if (request.monitor === 'stdio' && request.qmp === 'stdio')
    throw new UsageError('--monitor and --qmp are both stdio; give one of them a socket, as in unix:monitor.sock')
  return request
}

/** `unix:PATH`, `:PORT`, `HOST:PORT`, `tcp:HOST:PORT`; what QEMU has behind a comma (server, nowait) is so anyway. */
export function parseMonitorAddress(option: string, text: string): MonitorAddress {
  const [address] = text.split(/,(?:server|nowait|wait)\b/)
  const path = /^(?:unix:)?(.*\/.*|.+\.sock)$/.exec(address)?.[1] ?? /^unix:(.+)$/.exec(address)?.[1]
  if (path !== undefined) return { path }
  const [, host, port] = /^(?:tcp:|telnet:)?(?:(\[[\da-f:.]+\]|[\w.-]*):)(\d{1,5})$/i.exec(address) ?? []
  if (port === undefined || Number(port) > LAST_PORT)
    throw new UsageError(`${option} '${text}' is no place for a monitor; give unix:PATH, :PORT or stdio`)
  return { host: host ? host.replace(/^\[|\]$/g, '') : '127.0.0.1', port: Number(port) }
}
