import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { zipSync } from 'fflate'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { downloaded, fetchImage } from '../../../harness/images/download.js'
import { findInFolder } from '../../../harness/images/find-in-folder.js'
import { readLock } from '../../../harness/images/lock-file.js'
import { inProcess } from '../cli/in-process.js'
import { freePort } from '../queue/redis-here.js'

const IMAGE = Buffer.from('an image of an operating system '.repeat(10_000))
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

/** What `xz` and `zstd` make of the lines "hello xz" and "hello zst". */
const XZ = Buffer.from(
  '/Td6WFoAAATm1rRGAgAhARwAAAAQz1jMAQAIaGVsbG8geHoKAAAAAMFJOvpjUhRaAAEhCWwYxdUftvN9AQAAAAAEWVo=',
  'base64',
)
const ZST = Buffer.from('KLUv/QRYUQAAaGVsbG8genN0Cs57U2w=', 'base64')

type Answer = (request: IncomingMessage, response: ServerResponse) => void
let folder: string
let server: Server
let base: string
let asked: { url?: string; range?: string }[]
let answers: { [path: string]: Answer }

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'images-'))
  vi.stubEnv('BOOTWRIGHT_CACHE', join(folder, 'cache'))
  vi.stubEnv('BOOTWRIGHT_LOCK', join(folder, 'guests.lock.json'))
  for (const name of ['HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'https_proxy']) vi.stubEnv(name, undefined)
  asked = []
  answers = {}
  server = createServer((request, response) => {
    asked.push({ url: request.url, range: request.headers.range })
    const answer = answers[request.url ?? '']
    if (answer) answer(request, response)
    else response.writeHead(404).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})

afterEach(() => {
  vi.unstubAllEnvs()
  server.closeAllConnections()
  server.close()
})

const gives =
  (bytes: Uint8Array): Answer =>
  (_, response) =>
    response.writeHead(200, { 'content-length': bytes.length, etag: '"1"' }).end(bytes)

const stored = () => readdirSync(join(folder, 'cache/images/blobs'))

describe('a download', () => {
  test('is kept by its hash, locked, and not asked for again', async () => {
    answers['/os.img'] = gives(IMAGE)
    const url = `${base}/os.img`
    expect(downloaded({ url })).toBeUndefined()
    const progress: [number, number | undefined][] = []
    const image = await fetchImage({ url }, { onProgress: (...told) => progress.push(told) })
    expect(readFileSync(image.path).equals(IMAGE)).toBe(true)
    expect(stored()).toEqual([sha256(IMAGE)])
    expect(progress.at(-1)).toEqual([IMAGE.length, IMAGE.length])
    expect(readLock()).toEqual({ [url]: { sha256: sha256(IMAGE), bytes: IMAGE.length } })
    expect(downloaded({ url })?.path).toBe(image.path)
    expect(asked).toHaveLength(1)
  })

  test('is unpacked on the way: gz, zip, xz, zst', async () => {
    answers['/os.img.gz'] = gives(gzipSync(IMAGE))
    answers['/os.zip'] = gives(zipSync({ 'readme.txt': Buffer.from('x'), 'os.img': IMAGE }))
    answers['/os.xz'] = gives(XZ)
    for (const name of ['os.img.gz', 'os.zip']) {
      const image = await fetchImage({ url: `${base}/${name}` })
      expect(image.sha256).toBe(sha256(IMAGE))
      expect(downloaded({ url: `${base}/${name}` })?.sha256).toBe(sha256(IMAGE))
    }
    answers['/os.zst'] = gives(ZST)
    for (const [name, text] of [
      ['os.xz', 'hello xz\n'],
      ['os.zst', 'hello zst\n'],
    ]) {
      const { path } = await fetchImage({ url: `${base}/${name}` })
      expect(readFileSync(path, 'utf8')).toBe(text)
    }
    expect(readLock()[`${base}/os.img.gz`].image).toEqual({ sha256: sha256(IMAGE), bytes: IMAGE.length })
  })

  test('that broke off goes on where it ended', async () => {
    const url = `${base}/os.img`
    answers['/os.img'] = (_, response) => {
      response.writeHead(200, { 'content-length': IMAGE.length, etag: '"1"' })
      response.write(IMAGE.subarray(0, 100_000), () => setTimeout(() => response.destroy(), 50))
    }
    await expect(fetchImage({ url })).rejects.toThrow(/the connection broke off; get it again, and it goes on/)
    answers['/os.img'] = (request, response) => {
      const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
      response.writeHead(from ? 206 : 200, { 'content-length': IMAGE.length - from, etag: '"1"' })
      response.end(IMAGE.subarray(from))
    }
    const image = await fetchImage({ url })
    expect(image.sha256).toBe(sha256(IMAGE))
    expect(Number(/bytes=(\d+)-/.exec(asked[1].range ?? '')?.[1])).toBeGreaterThan(0)
  })

  test('begins anew where the file has become another', async () => {
    const url = `${base}/os.img`
    answers['/os.img'] = (_, response) => {
      response.writeHead(200, { 'content-length': 200_000, etag: '"0"' })
      response.write(Buffer.alloc(100_000), () => setTimeout(() => response.destroy(), 50))
    }
    await expect(fetchImage({ url })).rejects.toThrow(/broke off/)
    // If-Range does not fit: the server gives all of it.
    answers['/os.img'] = gives(IMAGE)
    expect((await fetchImage({ url })).sha256).toBe(sha256(IMAGE))
  })

  test.each<[string, Answer, RegExp]>([
    ['is not there', (_, response) => response.writeHead(404).end(), /there is no such file \(status 404\)/],
    ['the server cannot give', (_, response) => response.writeHead(500).end(), /the server fails \(status 500\)/],
    [
      'leads in a circle',
      (_, response) => response.writeHead(302, { location: '/os.img' }).end(),
      /from one address to another/,
    ],
    [
      'never comes',
      (_, response) => {
        response.writeHead(200, { 'content-length': 10 })
        response.write('x')
      },
      /nothing came for 0\.3 s; get it again/,
    ],
  ])('that %s is told in one sentence', async (_, answer, message) => {
    answers['/os.img'] = answer
    await expect(fetchImage({ url: `${base}/os.img` }, { stallMs: 300 })).rejects.toThrow(message)
    expect(existsSync(join(folder, 'guests.lock.json'))).toBe(false)
  })

  test.runIf(existsSync('/dev/full'))('on a full disk names the file, and ends at once', async () => {
    const url = `${base}/os.img`
    answers['/os.img'] = gives(Buffer.alloc(4 << 20))
    const part = join(folder, 'cache/images/partial', sha256(Buffer.from(url)).slice(0, 32))
    mkdirSync(dirname(part), { recursive: true })
    symlinkSync('/dev/full', part)
    await expect(fetchImage({ url })).rejects.toMatchObject({ code: 'ENOSPC', path: part })
    rmSync(part)
    answers['/os.img'] = gives(IMAGE)
    expect((await fetchImage({ url })).sha256).toBe(sha256(IMAGE))
  })

  test('that is another than was locked or said is refused, and nothing is kept of it', async () => {
    const url = `${base}/os.img`
    answers['/os.img'] = gives(IMAGE)
    await expect(fetchImage({ url, sha256: '0'.repeat(64) })).rejects.toThrow(/and the guest's definition says 0000/)
    await fetchImage({ url })
    answers['/os.img'] = gives(Buffer.from('another'))
    await expect(fetchImage({ url })).rejects.toThrow(/guests\.lock\.json says .*look who changed it/)
    expect(stored()).toEqual([sha256(IMAGE)])
    expect(readLock()[url].sha256).toBe(sha256(IMAGE))
  })

  test('whose archive is damaged, or has no image or several, is told', async () => {
    answers['/os.img.gz'] = gives(gzipSync(IMAGE).subarray(0, 500))
    answers['/none.zip'] = gives(zipSync({ 'readme.txt': Buffer.from('x') }))
    answers['/two.zip'] = gives(zipSync({ 'a.img': IMAGE, 'b.img': Buffer.from('b') }))
    await expect(fetchImage({ url: `${base}/os.img.gz` })).rejects.toThrow(/os\.img\.gz cannot be unpacked/)
    await expect(fetchImage({ url: `${base}/none.zip` })).rejects.toThrow(/has no image in it/)
    await expect(fetchImage({ url: `${base}/two.zip` })).rejects.toThrow(/has several images \(a\.img, b\.img\)/)
    const image = await fetchImage({ url: `${base}/two.zip`, member: 'b.img' })
    expect(readFileSync(image.path, 'utf8')).toBe('b')
  })

  test('goes through a proxy', async () => {
    answers['http://nowhere.example/os.img'] = gives(IMAGE)
    server.on('connect', (_, socket) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      socket.once('data', () => socket.end(`HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nproxy`))
    })
    vi.stubEnv('HTTP_PROXY', base)
    vi.stubEnv('http_proxy', base)
    const { path } = await fetchImage({ url: 'http://nowhere.example/os.img' })
    expect(['proxy', IMAGE.toString()]).toContain(readFileSync(path, 'utf8'))
  })

  test('goes past a proxy where NO_PROXY says so; one that is not there is named', async () => {
    answers['/os.img'] = gives(IMAGE)
    const url = `${base}/os.img`
    vi.stubEnv('http_proxy', `http://127.0.0.1:${await freePort()}`)
    await expect(fetchImage({ url })).rejects.toThrow(/its host, or the proxy that HTTP_PROXY names, refuses/)
    vi.stubEnv('no_proxy', '127.0.0.1')
    expect((await fetchImage({ url })).sha256).toBe(sha256(IMAGE))
  })
})

describe('in a folder an image is found', () => {
  test('by name, by a pattern of which the newest counts, packed, and by hash whatever its name', async () => {
    const images = join(folder, 'mine')
    const put = (name: string, bytes: Uint8Array | string) => {
      writeFileSync(join(images, name), bytes)
    }
    mkdirSync(images)
    put('os-1.9.iso', '9')
    put('os-1.10.iso', '10')
    put('other.img.gz', gzipSync(IMAGE))
    put('what ever', 'known by its hash')
    expect(await findInFolder(images, { name: 'os-*.iso' })).toBe(join(images, 'os-1.10.iso'))
    expect(await findInFolder(images, { name: 'OS-1.9.iso' })).toBe(join(images, 'os-1.9.iso'))
    const unpacked = await findInFolder(images, { name: 'other.img' })
    expect(unpacked).toContain(sha256(IMAGE))
    const hash = sha256(Buffer.from('known by its hash'))
    expect(await findInFolder(images, { name: 'nothing.img', sha256: [hash] })).toBe(join(images, 'what ever'))
    expect(await findInFolder(images, { name: 'nothing.img' })).toBeUndefined()
    expect(await findInFolder(undefined, { name: 'other.img', sha256: [sha256(IMAGE)] })).toBe(unpacked)
  })
})

describe('bootwright images', () => {
  test('tells of each that cannot be had in one sentence, fetches the others, and goes on where it broke off', async () => {
    answers['/os.img'] = gives(IMAGE)
    answers['/wrong.img'] = gives(Buffer.from('another'))
    answers['/full.img'] = gives(Buffer.alloc(4 << 20))
    answers['/short.img'] = (_, response) => {
      response.writeHead(200, { 'content-length': IMAGE.length, etag: '"1"' })
      response.write(IMAGE.subarray(0, 100_000), () => setTimeout(() => response.destroy(), 50))
    }
    const part = join(folder, 'cache/images/partial', sha256(Buffer.from(`${base}/full.img`)).slice(0, 32))
    mkdirSync(dirname(part), { recursive: true })
    symlinkSync('/dev/full', part)
    const guest = (name: string, url: string, more = {}) => {
      const path = join(folder, `${name}.mjs`)
      const machine = { floppies: [{ kind: 'download', url, ...more }] }
      const levels = [{ name: 'end', title: 'x', until: { kind: 'exit' } }]
      const definition = { name, title: name, family: 'test', licence: 'MIT', machine, levels }
      writeFileSync(path, `export default ${JSON.stringify(definition)}`)
      return path
    }
    const nobody = `http://127.0.0.1:${await freePort()}/os.img`
    const guests = [
      guest('gone', `${base}/gone.img`),
      guest('wrong', `${base}/wrong.img`, { sha256: '0'.repeat(64) }),
      guest('full', `${base}/full.img`),
      guest('short', `${base}/short.img`),
      guest('nobody', nobody),
      guest('good', `${base}/os.img`),
    ]
    const { code, stdout, stderr } = await inProcess(['images', 'get', ...guests])
    expect(code).toBe(3)
    const lines = stderr.trim().split('\n')
    const messages = [
      /gone\.img cannot be fetched: there is no such file \(status 404\)/,
      /wrong\.img gives a file with SHA-256 .* and the guest's definition says 0000/,
      /no space left.*partial|partial.*(full|no space)/i,
      /short\.img .*the connection broke off; get it again, and it goes on from there/,
      /its host refuses the connection/,
    ]
    expect(lines).toHaveLength(messages.length)
    for (const [i, message] of messages.entries()) expect(lines[i]).toMatch(message)
    expect(stdout.match(/^✓ /gm)).toHaveLength(1)
    expect(Object.keys(readLock())).toEqual([`${base}/os.img`])
    expect(stored()).toEqual([sha256(IMAGE)])
    answers['/short.img'] = (request, response) => {
      const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
      response.writeHead(from ? 206 : 200, { 'content-length': IMAGE.length - from, etag: '"1"' })
      response.end(IMAGE.subarray(from))
    }
    asked = []
    expect(await inProcess(['images', 'get', ...guests.slice(3, 4)])).toMatchObject({ code: 0, stderr: '' })
    expect(asked).toEqual([{ url: '/short.img', range: expect.stringMatching(/^bytes=[1-9]\d*-$/) }])
  })

  test('gets, lists, verifies and collects', async () => {
    answers['/os.img'] = gives(IMAGE)
    const guest = join(folder, 'guest.mjs')
    const definition = (path: string) => ({
      ...{ name: 'mine', title: 'Mine', family: 'test', licence: 'MIT' },
      machine: { floppies: [{ kind: 'download', url: `${base}${path}` }] },
      levels: [{ name: 'end', title: 'x', until: { kind: 'exit' } }],
    })
    const define = (path: string) => writeFileSync(guest, `export default ${JSON.stringify(definition(path))}`)
    define('/os.img')
    const before = await inProcess(['images', 'ls', guest])
    expect(before.stdout).toMatch(/^mine {2}- .*was not fetched yet: 'bootwright images get' fetches/)
    expect(await inProcess(['images', 'get', guest])).toMatchObject({ code: 0, stderr: '' })
    expect((await inProcess(['images', 'ls', guest])).stdout).toMatch(/^mine {2}✓ .*0\.\d MB|kB$/m)
    expect(await inProcess(['images', 'verify'])).toMatchObject({ code: 0 })
    const [name] = stored()
    writeFileSync(join(folder, 'cache/images/blobs', name), 'damaged')
    expect(await inProcess(['images', 'verify'])).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/is not what it was[\s\S]*0 of 1 images/),
    })
    vi.stubEnv('BOOTWRIGHT_LOCK', join(folder, 'another.json'))
    expect((await inProcess(['images', 'gc', '--dry-run'])).stdout).toContain('would remove')
    expect((await inProcess(['images', 'gc'])).stdout).toContain('freed 1 kB')
    expect(stored()).toEqual([])
    // Another guest's file: what cannot be had is told, with the code of a host that lacks something.
    const other = join(folder, 'other.mjs')
    writeFileSync(other, `export default ${JSON.stringify(definition('/gone.img'))}`)
    const failed = await inProcess(['images', 'get', other])
    expect([failed.code, failed.stderr]).toEqual([3, expect.stringMatching(/no such file \(status 404\)/)])
    writeFileSync(join(folder, 'another.json'), '{}')
    expect(await inProcess(['images', 'gc'])).toMatchObject({ code: 2, stderr: expect.stringMatching(/no lock file/) })
  }, 30_000)
})
