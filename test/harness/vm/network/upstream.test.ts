/** Upstreams of the LAN's HTTP server: fetched once, by the test's thread, from a server of the test's own on 127.0.0.1. */
import { mkdtempSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { networkContents } from '../../../../harness/config/machine-config.js'
import { readNetwork } from '../../../../harness/options/network-words.js'
import { answerBy } from '../../../../harness/vm/network/network.js'
import { upstreamFunctions } from '../../../../harness/vm/network/upstream.js'
import type { HttpQuestion } from '../../../../machine/network/contents.js'
import { HttpServer } from '../../../../machine/network/lan/services/http-server.js'

const asked: string[] = []
let server: Server
let base: string

beforeAll(async () => {
  server = createServer(({ url = '' }, response) => {
    asked.push(url)
    const status = url.endsWith('Release') ? 200 : url.endsWith('broken') ? 500 : 404
    response.writeHead(status).end(status === 200 ? `the contents of ${url}` : 'nothing')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/debian`
})
afterAll(() => void server.close())
beforeEach(() => {
  asked.length = 0
  process.env.BOOTWRIGHT_CACHE = mkdtempSync(join(tmpdir(), 'bootwright-upstream-'))
  return () => {
    delete process.env.BOOTWRIGHT_CACHE
  }
})

/** What a guest gets: a file that is missing is asked for as the machine's thread does, and then looked for again. */
async function get(path: string, options: { offline?: boolean } = {}) {
  const network = readNetwork({ http: { '/mirror': { upstream: base } }, ...options }, 'network')
  const functions = upstreamFunctions(network)
  const request = { method: 'GET', target: path, headers: new Map<string, string>(), body: new Uint8Array() }
  const questions: [string, HttpQuestion][] = []
  const answers: Awaited<ReturnType<typeof answerBy>>[] = []
  const server = () =>
    new HttpServer({
      ...networkContents(network),
      ask: (name, question) => {
        questions.push([name, question])
        return answers.at(-1)?.answer ?? { status: 599, headers: {}, body: new Uint8Array() }
      },
    })
  let served = server().answer(request as never, 1)
  if (questions.length > 0) {
    answers.push(await answerBy(functions, ...questions[0]))
    served = server().answer(request as never, 1)
  }
  let text: string | undefined
  if (!(served.body instanceof Uint8Array)) {
    const content = server().open(served.body.path)
    const bytes = new Uint8Array(served.body.end - served.body.offset)
    content?.read(served.body.offset, bytes)
    content?.close()
    text = Buffer.from(bytes).toString()
  }
  return { status: served.status, text, error: answers[0]?.error }
}

describe('an upstream', () => {
  test('is asked once; then its files come from the cache, offline, too, and so does that there is none', async () => {
    const first = { status: 200, text: 'the contents of /debian/dists/stable/Release', error: undefined }
    expect(await get('/mirror/dists/stable/Release')).toEqual(first)
    expect(asked).toEqual(['/debian/dists/stable/Release'])
    expect(await get('/mirror/dists/stable/Release', { offline: true })).toEqual(first)
    expect((await get('/mirror/none')).status).toBe(404)
    expect((await get('/mirror/none', { offline: true })).status).toBe(404)
    expect(asked).toEqual(['/debian/dists/stable/Release', '/debian/none'])
  })

  test('is not asked where the run is offline, or for what is not below its address', async () => {
    const { status, error } = await get('/mirror/dists/stable/Release', { offline: true })
    expect(status).toBe(500)
    expect(error).toMatch(
      /the function of '\/mirror' failed at GET .*: http:\/\/127.*Release was never fetched, and this run is offline/,
    )
    expect((await get('/mirror/../secret/Release')).status).toBe(400)
    expect((await get('/mirror/%2e%2e/secret/Release')).status).toBe(400)
    expect((await get('/other/Release')).status).toBe(404)
    expect(asked).toEqual([])
  })

  test('that fails, or is not there, fails the test in a sentence, and nothing is kept', async () => {
    expect((await get('/mirror/broken')).error).toMatch(/broken answered with status 500; try again/)
    expect((await get('/mirror/broken')).error).toMatch(/status 500/)
    const functions = upstreamFunctions({ http: { '/mirror': { upstream: 'http://127.0.0.1:1/' } } }, () =>
      Promise.reject(new TypeError('fetch failed', { cause: new Error('connect ECONNREFUSED') })),
    )
    const question = { number: 1, method: 'GET', path: '/mirror/x', headers: {}, body: new Uint8Array() }
    expect((await answerBy(functions, '/mirror', question)).error).toMatch(
      /http:\/\/127\.0\.0\.1:1\/x cannot be fetched \(connect ECONNREFUSED\); is the upstream there\?/,
    )
  })

  test('is named by an address, in words, too', () => {
    expect(readNetwork({ http: { '/debian': 'http://mirror.test/debian' } }, 'network').http).toEqual({
      '/debian': { upstream: 'http://mirror.test/debian' },
    })
    for (const upstream of ['ftp://mirror.test/', 'http://mirror.test/?x', 'http://a@mirror.test/', 'mirror'])
      expect(() => readNetwork({ http: { '/': { upstream } } }, 'network')).toThrow(/is no address; write it as in/)
  })
})
