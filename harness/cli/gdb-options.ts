/** `--gdb` and `--paused`: where a debugger connects, and whether the machine waits for it. Touches no file. */
import { UsageError } from './errors.js'

export interface GdbFlags {
  gdb?: string
  paused?: boolean
}

export interface GdbRequest {
  host: string
  port: number
  /** The machine does not begin before the debugger lets it. */
  paused: boolean
}

/** QEMU's `-s`. */
export const GDB_PORT = 1234
const LAST_PORT = 65535

/** `:1234`, `1234`, `127.0.0.1:1234`, and QEMU's `tcp::1234`. */
/** Of a monitor's `gdbserver`, whose default is QEMU's. Throws a UsageError. */
export function gdbAddress(text: string): GdbRequest {
  return parseGdb({ gdb: text === '' ? `:${GDB_PORT}` : text }) as GdbRequest
}

export function parseGdb({ gdb, paused = false }: GdbFlags): GdbRequest | undefined {
  if (gdb === undefined) {
    if (!paused) return undefined
    throw new UsageError('--paused waits for a debugger to let the machine begin; add --gdb :1234, or --monitor stdio')
  }
  const [, host, port] = /^(?:tcp:)?(?:(\[[\da-f:.]+\]|[\w.-]*):)?(\d{1,5})$/i.exec(gdb) ?? []
  if (port === undefined || Number(port) > LAST_PORT)
    throw new UsageError(
      `--gdb '${gdb}' is no port; give :1234, an address as in 127.0.0.1:1234, or :0 for any that is free`,
    )
  return { host: host ? host.replace(/^\[|\]$/g, '') : '127.0.0.1', port: Number(port), paused }
}
