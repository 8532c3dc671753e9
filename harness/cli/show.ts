/** `bootwright show-report` and `show-trace`: serve a page on loopback until they are interrupted. */
import { readFileSync, statSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join, resolve, sep } from 'node:path'
import { Command } from 'commander'
import { parseTrace } from '../../reports/trace.js'
import { renderTraceHtml } from '../../reports/trace-html.js'
import { REPORT_FILE, readRun } from '../../reports/write-run.js'
import { EXIT, UsageError } from './errors.js'

/** Where runs leave their report, and where the verbs look for it. */
export const REPORT_FOLDER = 'bootwright-report'

export function showReportCommand(): Command {
  return withPort(new Command('show-report'))
    .description("serve a run's report on this machine's loopback address")
    .argument('[path]', 'the folder of a report, or its run.json or report.html', REPORT_FOLDER)
    .action(async (path: string, { port }: { port: number }) => {
      const folder = reportFolder(path)
      readRun(folder)
      await serveUntilInterrupted(`/${REPORT_FILE}`, (name) => readBelow(folder, name), port)
    })
}

export function showTraceCommand(): Command {
  return withPort(new Command('show-trace'))
    .description("serve the viewer of a test's trace on this machine's loopback address")
    .argument('<file>', 'the trace')
    .action(async (file: string, { port }: { port: number }) => {
      const page = Buffer.from(renderTraceHtml(parseTrace(readJson(file))))
      await serveUntilInterrupted('/trace.html', (name) => (name === '/trace.html' ? page : undefined), port)
    })
}

function withPort(command: Command): Command {
  return command.option('--port <number>', 'TCP port; default a free one', parsePort, 0)
}

function parsePort(value: string): number {
  const port = Number(value)
  if (!/^\d+$/.test(value) || port > 65535)
    throw new UsageError(`--port '${value}' is no TCP port; give a number from 0 to 65535`)
  return port
}

function reportFolder(path: string): string {
  const stats = statSync(path, { throwIfNoEntry: false })
  if (!stats) throw new UsageError(`there is no report '${path}'; run the tests first, or name its folder`)
  return stats.isDirectory() ? path : join(path, '..')
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (error instanceof SyntaxError) throw new UsageError(`'${file}' is no trace: it is not JSON; name a trace file`)
    if (code === 'ENOENT') throw new UsageError(`there is no trace '${file}'; check the path`)
    if (code === 'EISDIR') throw new UsageError(`'${file}' is a directory; name a trace file in it`)
    throw error
  }
}

/** undefined for what is not there, or not below the folder. */
function readBelow(folder: string, name: string): Buffer | undefined {
  const root = resolve(folder)
  const path = resolve(root, `.${name}`)
  if (!path.startsWith(root + sep) || !statSync(path, { throwIfNoEntry: false })?.isFile()) return undefined
  return readFileSync(path)
}

const TYPES: { readonly [ending: string]: string } = {
  '.html': 'text/html; charset=utf-8',
  '.png': 'image/png',
  '.webp': 'image/webp',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
  '.xml': 'application/xml',
}

async function serveUntilInterrupted(
  start: string,
  find: (name: string) => Buffer | undefined,
  port: number,
): Promise<void> {
  const server = createServer((request, response) => {
    const { host = '' } = request.headers
    // A page of another name that leads here by its DNS shall not read what is served.
    const own = /^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/.test(host)
    let name = start
    try {
      const { pathname } = new URL(request.url ?? '/', 'http://localhost')
      if (pathname !== '/') name = decodeURIComponent(pathname)
    } catch {
      name = '/?'
    }
    const body = own && request.method === 'GET' ? find(name) : undefined
    const type = body ? (TYPES[extname(name)] ?? 'text/plain; charset=utf-8') : 'text/plain; charset=utf-8'
    response.writeHead(body ? 200 : own ? 404 : 403, { 'content-type': type, 'cache-control': 'no-store' })
    response.end(body ?? 'not here\n')
  })
  await listen(server, port)
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}${start}  (Ctrl+C ends)`)
  const signal = await new Promise<NodeJS.Signals>((done) => {
    process.once('SIGINT', done)
    process.once('SIGTERM', done)
  })
  server.closeAllConnections()
  server.close()
  process.exitCode = signal === 'SIGINT' ? EXIT.ok : EXIT.interrupted
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
