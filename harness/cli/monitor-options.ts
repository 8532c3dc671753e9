/** `--monitor` and `--qmp`: where a monitor is; QEMU's words work as well. Touches no file. */
import type { SocketAddress } from '../live/socket-address.js'
import { UsageError } from './errors.js'
import { parseSocketAddress } from './socket-options.js'

export interface MonitorFlags {
  monitor?: string
  qmp?: string
}

export interface MonitorRequest {
  monitor: SocketAddress | 'stdio' | undefined
  qmp: SocketAddress | 'stdio' | undefined
}

export function parseMonitors({ monitor, qmp }: MonitorFlags): MonitorRequest {
  const of = (option: string, text: string | undefined) =>
    text === undefined || text === 'none' ? undefined : text === 'stdio' ? text : parseMonitorAddress(option, text)
  const request = { monitor: of('--monitor', monitor), qmp: of('--qmp', qmp) } as MonitorRequest
  if (request.monitor === 'stdio' && request.qmp === 'stdio')
    throw new UsageError('--monitor and --qmp are both stdio; give one of them a socket, as in unix:monitor.sock')
  return request
}

/** What QEMU has behind a comma (server, nowait) is so anyway. */
export function parseMonitorAddress(option: string, text: string): SocketAddress {
  const found = parseSocketAddress(text)
  if (!found) throw new UsageError(`${option} '${text}' is no place for a monitor; give unix:PATH, :PORT or stdio`)
  return found.address
}
