/**
 * What is served by HTTP: for a request the answer, from files, texts and functions. `http-session.ts` speaks with one
 * client.
 */
import type { Content, FileTree, HttpAnswer, HttpSource, NetworkContents } from '../../contents.js'
import type { HttpRequest } from './http-request.js'

export const HTTP = 80
/** Most of what a function may answer; files may be as large as they are. */
export const LARGEST_BODY = 16 << 20
/** Of a request's target. */
export const LONGEST_PATH = 8192

const REASONS: { readonly [status: number]: string } = {
  ...{ 200: 'OK', 206: 'Partial Content', 301: 'Moved Permanently', 304: 'Not Modified', 400: 'Bad Request' },
  ...{ 404: 'Not Found', 405: 'Method Not Allowed', 413: 'Content Too Large', 416: 'Range Not Satisfiable' },
  ...{ 431: 'Request Header Fields Too Large', 500: 'Internal Server Error', 503: 'Service Unavailable' },
}

const TEXT = 'text/plain; charset=utf-8'
const TYPES: { readonly [ending: string]: string } = {
  ...Object.fromEntries(
    ['txt', 'cfg', 'conf', 'ipxe', 'ks', 'sh', 'seed', 'yaml', 'yml', 'log'].map((end) => [end, TEXT]),
  ),
  ...{ html: 'text/html; charset=utf-8', css: 'text/css', js: 'text/javascript', json: 'application/json' },
  ...{ xml: 'application/xml', svg: 'image/svg+xml', png: 'image/png', gz: 'application/gzip' },
}

/** Of a file of the host's, or of a text, by what it was asked for. */
export interface FilePart {
  path: string
  offset: number
  end: number
}

export interface Served {
  status: number
  headers: [string, string][]
  body: Uint8Array | FilePart
}

/** The head as it is sent. */
export function headOf({ status, headers }: Pick<Served, 'status' | 'headers'>): Uint8Array {
  const lines = [
    `HTTP/1.1 ${status} ${REASONS[status] ?? 'Status'}`,
    ...headers.map(([name, value]) => `${name}: ${value}`),
  ]
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
}

export function plainAnswer(status: number, words = REASONS[status] ?? ''): Served {
  return { status, headers: [['Content-Type', TEXT]], body: Buffer.from(`${words}\n`) }
}

export class HttpServer {
  constructor(private readonly contents: NetworkContents) {}

  /** @param number Of the request in the log. */
  answer(request: HttpRequest, number: number): Served {
    const path = pathOf(request.target)
    if (path === undefined) return plainAnswer(400)
    const route = this.route(path)
    if (!route) return plainAnswer(404)
    const { source, rest } = route
    if (source.kind === 'function') return this.ask(source.name, request, number)
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      const answer = plainAnswer(405)
      return { ...answer, headers: [...answer.headers, ['Allow', 'GET, HEAD']] }
    }
    const type = TYPES[/\.(\w+)$/.exec(path)?.[1].toLowerCase() ?? '']
    if (source.kind === 'upstream' && !source.tree.open(rest)) {
      const brought = this.ask(source.name, request, number)
      if (brought.status !== 200) return brought
    }
    if (source.kind === 'bytes')
      return ranged(request, type ?? TEXT, source.body.length, (offset, end) => ({ path, offset, end }))
    return file(source.tree, path, rest, request, type ?? 'application/octet-stream')
  }

  /** The file of an answer that is under way. */
  open(path: string): Content | undefined {
    const route = this.route(path)
    if (route?.source.kind === 'bytes') return contentOf(route.source.body)
    if (route?.source.kind !== 'files' && route?.source.kind !== 'upstream') return undefined
    const content = route.source.tree.open(route.rest)
    return content === 'folder' ? undefined : content
  }

  /** The longest route that the path belongs to, and what of the path is below it. */
  private route(path: string): { source: HttpSource; rest: string } | undefined {
    const { http } = this.contents
    if (Object.hasOwn(http, path)) return { source: http[path], rest: '' }
    const above = Object.keys(http).filter((route) => route.endsWith('/') && path.startsWith(route))
    const longest = above.sort((a, b) => b.length - a.length)[0]
    return longest === undefined ? undefined : { source: http[longest], rest: path.slice(longest.length) }
  }

  private ask(name: string, { method, target, headers, body }: HttpRequest, number: number): Served {
    const question = { number, method, path: target, headers: Object.fromEntries(headers), body }
    const answer = this.contents.ask?.(name, question)
    return answer ? checked(answer) : plainAnswer(503)
  }
}

function contentOf(body: Uint8Array): Content {
  return {
    size: body.length,
    read(offset, into) {
      const part = body.subarray(offset, offset + into.length)
      into.set(part)
      into.fill(0, part.length)
    },
    close() {},
  }
}

/** A function may answer anything. */
function checked({ status, headers, body }: HttpAnswer): Served {
  if (!Number.isInteger(status) || status < 200 || status > 599)
    return plainAnswer(500, `${status} is no status of an answer`)
  if (body.length > LARGEST_BODY)
    return plainAnswer(500, `the answer is larger than ${LARGEST_BODY >> 20} MiB; serve a file in its place`)
  const own = Object.entries(headers).filter(
    ([name, value]) =>
      /^[\w-]+$/.test(name) &&
      /^[\x20-\x7e\t]*$/.test(value) &&
      !/^(content-length|connection|transfer-encoding|date)$/i.test(name),
  )
  const hasType = own.some(([name]) => name.toLowerCase() === 'content-type')
  return { status, headers: hasType ? own : [...own, ['Content-Type', TEXT]], body }
}

/** Decoded, without its query; undefined for one that leads out of the root. */
function pathOf(target: string): string | undefined {
  const [path] = target.replace(/^https?:\/\/[^/]*/i, '').split(/[?#]/)
  let decoded: string
  try {
    decoded = decodeURIComponent(path)
  } catch {
    return undefined
  }
  const isSane = decoded.startsWith('/') && !/[\0\\]/.test(decoded) && !decoded.split('/').includes('..')
  return isSane ? decoded.replace(/\/{2,}/g, '/') : undefined
}

function file(tree: FileTree, path: string, rest: string, request: HttpRequest, type: string): Served {
  const found = tree.open(rest)
  if (!found) return plainAnswer(404)
  if (found === 'folder') return folder(tree, path, rest, request)
  const { size } = found
  found.close()
  return ranged(request, type, size, (offset, end) => ({ path, offset, end }))
}

function folder(tree: FileTree, path: string, rest: string, request: HttpRequest): Served {
  if (!path.endsWith('/')) return { ...plainAnswer(301), headers: [['Location', `${encodeURI(path)}/`]] }
  const index = `${path}index.html`
  if (tree.open(`${rest}index.html`)) return file(tree, index, `${rest}index.html`, request, TYPES.html)
  const names = tree
    .list(rest)
    .map((name) => `<li><a href="${encodeURIComponent(name).replace(/%2F$/, '/')}">${escaped(name)}</a></li>`)
  const page = `<!DOCTYPE html>\n<title>${escaped(path)}</title>\n<ul>\n${names.join('\n')}\n</ul>\n`
  return { status: 200, headers: [['Content-Type', TYPES.html]], body: Buffer.from(page) }
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)
}

/** The whole, or the one range that was asked for (RFC 9110 14). */
function ranged(
  { headers }: HttpRequest,
  type: string,
  size: number,
  partOf: (offset: number, end: number) => FilePart,
): Served {
  const own: [string, string][] = [
    ['Content-Type', type],
    ['Accept-Ranges', 'bytes'],
  ]
  const [, first, last] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(headers.get('range') ?? '') ?? []
  if (first === undefined || first + last === '') return { status: 200, headers: own, body: partOf(0, size) }
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first)
  const end = first === '' || last === '' ? size : Math.min(size, Number(last) + 1)
  if (start >= size || end <= start) return { ...plainAnswer(416), headers: [['Content-Range', `bytes */${size}`]] }
  return {
    status: 206,
    headers: [...own, ['Content-Range', `bytes ${start}-${end - 1}/${size}`]],
    body: partOf(start, end),
  }
}
