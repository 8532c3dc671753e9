/** Sockets of this host that others connect to: in the file system, or a port. */
import { chmodSync, existsSync, lstatSync, rmSync } from 'node:fs'
import type { AddressInfo, Server } from 'node:net'
import { dirname, resolve } from 'node:path'
import { listen, ViewError } from './vnc-server.js'

export type SocketAddress = { path: string } | { host: string; port: number }

/** For people. @param server Knows its port, where any would do. */
export function nameOf(at: SocketAddress, server?: Server): string {
  if ('path' in at) return `unix:${at.path}`
  const port = server ? (server.address() as AddressInfo).port : at.port
  return `${at.host.includes(':') ? `[${at.host}]` : at.host}:${port}`
}

/** Rejects with a ViewError that begins with `option`. */
export async function listenAt(server: Server, address: SocketAddress, option: string): Promise<void> {
  if ('path' in address) await listenAtPath(server, address.path, option)
  else await listen(server, address.port, address.host, `${option}: port ${address.port}`)
}

/** Node says EACCES for all. */
function whyNot(path: string, { code }: NodeJS.ErrnoException): string {
  const folder = dirname(resolve(path))
  return existsSync(folder) ? String(code) : `there is no folder '${folder}'`
}

/** Nobody else of this host gets in. What a machine that was killed has left is replaced. */
async function listenAtPath(server: Server, path: string, option: string): Promise<void> {
  try {
    if (lstatSync(path, { throwIfNoEntry: false })?.isSocket()) rmSync(path)
  } catch {
    // Listening tells why not.
  }
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        new ViewError(`${option}: there can be no socket at '${path}' (${whyNot(path, error)}); name another path`),
      ),
    )
    server.listen(path, () => resolve())
  })
  chmodSync(path, 0o600)
}
