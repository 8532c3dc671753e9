/** Serves a few files on loopback until it is interrupted: the server behind `show-report` and `show-trace`. */
import { realpathSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, resolve, sep } from 'node:path'
import { readRegular } from '../../machine/media/regular-file.js'
import { EXIT, UsageError } from './errors.js'

/** A report's page holds its pictures. */
const LARGEST = 1 << 30

const TYPES: { readonly [ending: string]: string } = {
  '.html': 'text/html; charset=utf-8',
  '.png': 'image/png',
  '.webp': 'image/webp',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
  '.xml': 'application/xml',
}
const TEXT = 'text/plain; charset=utf-8'

/** What is at a path that begins with a slash; undefined: nothing. */
export type Find = (name: string) => Buffer | undefined

/** Files below a folder, and none that a link leads out of it. */
export function filesBelow(folder: string): Find {
  return (name) => {
    try {
      const root = realpathSync(folder)
      const path = realpathSync(resolve(root, `.${name}`))
      return path.startsWith(root + sep) ? readRegular(path, LARGEST) : undefined
    } catch {
      // Not there, no file, or no name that a file could have.
      return undefined
    }
  }
}

/** Rejects with a UsageError where the port cannot be had. */
export async function serveUntilInterrupted(start: string, find: Find, port: number): Promise<void> {
  const server = createServer((request, response) => {
    const { status, body, type } = answer(request, start, find)
    response.writeHead(status, {
      'content-type': type,
      'content-length': body.length,
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      ...(status === 405 && { allow: 'GET, HEAD' }),
    })
    response.end(request.method === 'HEAD' ? undefined : body)
  })
  await listen(server, port)
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}${start}  (Ctrl+C ends)`)
  const signal = await new Promise<NodeJS.Signals>((done) => {
    for (const each of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(each, done)
  })
  server.closeAllConnections()
  server.close()
  process.exitCode = signal === 'SIGINT' ? EXIT.ok : EXIT.interrupted
}

function answer({ method, url, headers }: IncomingMessage, start: string, find: Find) {
  const words = (status: number, text: string) => ({ status, type: TEXT, body: Buffer.from(text) })
  // A page of another name that leads here by its DNS shall not read what is served.
  if (!/^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/.test(headers.host ?? '')) return words(403, 'not here\n')
  if (method !== 'GET' && method !== 'HEAD') return words(405, 'There is nothing here but to be read.\n')
  const name = nameOf(url ?? '/')
  const body = name === undefined ? undefined : find(name === '/' ? start : name)
  if (!body) return words(404, 'not here\n')
  return { status: 200, type: TYPES[extname(name === '/' ? start : (name as string))] ?? TEXT, body }
}

function nameOf(url: string): string | undefined {
  try {
    return decodeURIComponent(new URL(url, 'http://localhost').pathname)
  } catch {
    return undefined
  }
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((done, fail) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const taken = error.code === 'EADDRINUSE' || error.code === 'EACCES'
      fail(taken ? new UsageError(`port ${port} cannot be had (${error.code}); give another --port`) : error)
    })
    server.listen(port, '127.0.0.1', done)
  })
}
