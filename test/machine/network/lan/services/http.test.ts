/** HTTP on TCP, segment by segment, as a guest's client has it. */
import { expect, test } from 'vitest'
import type { HttpQuestion, NetworkContents } from '../../../../../machine/network/contents.js'
import { ipv4 } from '../../../../../machine/network/lan/addresses.js'
import { MOST_CONNECTIONS } from '../../../../../machine/network/lan/tcp/tcp.js'
import { ACK, FIN, RST, SYN } from '../../../../../machine/network/lan/tcp/tcp-segment.js'
import { filesOf, Peer } from '../peer.js'

const big = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 7) & 0xff)
const asked: HttpQuestion[] = []
const contents: NetworkContents = {
  http: {
    '/files/': {
      kind: 'files',
      tree: filesOf({ big, 'a.txt': Buffer.from('a text'), 'sub/index.html': Buffer.from('<p>') }),
    },
    '/words': { kind: 'bytes', body: Buffer.from('hello') },
    '/ask': { kind: 'function', name: '/ask' },
    '/wide/': { kind: 'function', name: '/wide/' },
  },
  ask(name, question) {
    asked.push(question)
    return {
      status: 201,
      headers: { 'X-Name': name, Connection: 'no', Bad: 'a\r\nb' },
      body: Buffer.from(`${question.method} ${question.path}`),
    }
  },
}

/** A client that acknowledges at once. */
class Client {
  private sequence = 1001
  private next = 0
  text = Buffer.alloc(0)
  isClosed = false

  constructor(
    private readonly peer: Peer,
    private readonly from = 40000,
  ) {
    peer.tcp({ from, sequence: 1000, flags: SYN, mss: 1460 })
    const [synAck] = peer.segments()
    expect(synAck).toMatchObject({ flags: SYN | ACK, acknowledgment: 1001, mss: 1460 })
    this.next = (synAck.sequence + 1) >>> 0
    peer.tcp({ from, sequence: 1001, acknowledgment: this.next, flags: ACK })
  }

  send(text: string | Uint8Array): this {
    const data = Buffer.from(text)
    for (let at = 0; at < data.length; at += 1000) {
      const piece = data.subarray(at, at + 1000)
      this.peer.tcp({ from: this.from, sequence: this.sequence, acknowledgment: this.next, flags: ACK, data: piece })
      this.sequence += piece.length
      this.take()
    }
    return this
  }

  take(): void {
    for (let segments = this.peer.segments(); segments.length > 0; segments = this.peer.segments()) {
      const mine = segments.filter(({ to }) => to === this.from)
      for (const { data, sequence, flags } of mine) {
        if (sequence !== this.next) continue
        this.text = Buffer.concat([this.text, data])
        this.next = (sequence + data.length + (flags & FIN ? 1 : 0)) >>> 0
        if (flags & FIN) this.isClosed = true
      }
      if (!mine.some(({ data, flags }) => data.length > 0 || flags & FIN)) break
      this.peer.tcp({ from: this.from, sequence: this.sequence, acknowledgment: this.next, flags: ACK })
    }
  }

  end(): void {
    this.peer.tcp({ from: this.from, sequence: this.sequence++, acknowledgment: this.next, flags: ACK | FIN })
    this.take()
  }

  /** The next answer. */
  answer(): { status: number; headers: { [name: string]: string }; body: Buffer } {
    const end = this.text.indexOf('\r\n\r\n')
    const [line, ...lines] = this.text.toString('latin1', 0, end).split('\r\n')
    const headers = Object.fromEntries(lines.map((one) => one.split(/: (.*)/s).slice(0, 2))) as {
      [name: string]: string
    }
    const length = Number(headers['Content-Length'] ?? 0)
    const body = this.text.subarray(end + 4, end + 4 + length)
    this.text = this.text.subarray(end + 4 + length)
    return { status: Number(line.split(' ')[1]), headers, body }
  }
}

const get = (path: string, ...headers: string[]) => [`GET ${path} HTTP/1.1`, 'Host: x', ...headers, '', ''].join('\r\n')

test('a file larger than all windows, on a connection that is kept, then closed', () => {
  const peer = new Peer(contents)
  const client = new Client(peer).send(get('/files/big'))
  const first = client.answer()
  expect(first).toMatchObject({ status: 200, headers: { 'Content-Length': '300000', 'Accept-Ranges': 'bytes' } })
  expect(first.headers.Date).toBe('Thu, 01 Jan 2026 00:00:00 GMT')
  expect(first.body.equals(big)).toBe(true)
  client.send(get('/words', 'Connection: close'))
  expect(client.answer()).toMatchObject({ status: 200, body: Buffer.from('hello'), headers: { Connection: 'close' } })
  expect(client.isClosed).toBe(true)
  client.end()
  expect(peer.lan.log.list().map(({ what, result }) => `${what}: ${result}`)).toEqual([
    'GET /files/big: 200, 300000 bytes',
    'GET /words: 200, 5 bytes',
  ])
})

test('several requests at once are answered in their order, and HTTP/1.0 ends the connection', () => {
  const client = new Client(new Peer(contents)).send(get('/words') + get('/files/a.txt') + get('/none'))
  expect([client.answer(), client.answer(), client.answer()].map(({ status, body }) => `${status} ${body}`)).toEqual([
    '200 hello',
    '200 a text',
    '404 Not Found\n',
  ])
  client.send('GET /words HTTP/1.0\r\n\r\n')
  expect(client.answer().body.toString()).toBe('hello')
  expect(client.isClosed).toBe(true)
})

test.each([
  ['bytes=0-4', 206, 'bytes 0-4/6', 'a tex'],
  ['bytes=2-', 206, 'bytes 2-5/6', 'text'],
  ['bytes=-3', 206, 'bytes 3-5/6', 'ext'],
  ['bytes=0-99', 206, 'bytes 0-5/6', 'a text'],
  ['bytes=6-', 416, 'bytes */6', 'Range Not Satisfiable\n'],
  ['bytes=0-1,3-4', 200, undefined, 'a text'],
  ['lines=1', 200, undefined, 'a text'],
])('the range %s', (range, status, words, body) => {
  const answer = new Client(new Peer(contents)).send(get('/files/a.txt', `Range: ${range}`)).answer()
  expect([answer.status, answer.headers['Content-Range'], answer.body.toString()]).toEqual([status, words, body])
})

test('it is at the gateway’s address alone: at the name server’s nobody listens, as on QEMU’s user network', () => {
  const peer = new Peer(contents)
  const flags = ['10.0.2.2', '10.0.2.3'].map((to) => {
    peer.tcp({ sequence: 1000, flags: SYN }, ipv4(to))
    return peer.segments().map((segment) => segment.flags)
  })
  expect(flags).toEqual([[SYN | ACK], [RST | ACK]])
})

test('HEAD has the length and no body; other methods are for functions', () => {
  const client = new Client(new Peer(contents)).send('HEAD /files/big HTTP/1.1\r\n\r\n')
  expect(client.text.toString()).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*Content-Length: 300000\r\n\r\n$/)
  client.text = Buffer.alloc(0)
  client.send('POST /words HTTP/1.1\r\nContent-Length: 2\r\n\r\nab')
  expect(client.answer()).toMatchObject({ status: 405, headers: { Allow: 'GET, HEAD' } })
})

test('a function is asked with body and headers, and what it answers cannot forge a header', () => {
  asked.length = 0
  const client = new Client(new Peer(contents))
  client.send('POST /ask?x=1 HTTP/1.1\r\nX-A: 1\r\nx-a: 2\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n')
  expect(asked).toEqual([])
  client.send('2;e=1\r\nde\r\n0\r\nTrailer: 1\r\n\r\n')
  expect(asked[0]).toMatchObject({ number: 1, method: 'POST', path: '/ask?x=1', headers: { 'x-a': '1, 2' } })
  expect(Buffer.from(asked[0].body).toString()).toBe('abcde')
  const { status, headers, body } = client.answer()
  expect([status, body.toString(), headers['X-Name'], headers.Bad, headers.Connection]).toEqual([
    ...[201, 'POST /ask?x=1', '/ask', undefined, undefined],
  ])
  client.send(get('/wide/below/it'))
  expect(client.answer().body.toString()).toBe('GET /wide/below/it')
})

test('a body that is waited for is asked for', () => {
  const client = new Client(new Peer(contents)).send(
    'PUT /ask HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n',
  )
  expect(client.text.toString()).toBe('HTTP/1.1 100 Continue\r\n\r\n')
  client.text = Buffer.alloc(0)
  expect(client.send('x').answer().status).toBe(201)
})

test.each([
  ['nonsense', 'GET\r\n\r\n', 400],
  ['another version', 'GET / HTTP/2.0\r\n\r\n', 400],
  ['a header without a colon', 'GET / HTTP/1.1\r\nnonsense\r\n\r\n', 400],
  ['two lengths', 'POST /ask HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n', 400],
  ['a length that is none', 'POST /ask HTTP/1.1\r\nContent-Length: -1\r\n\r\n', 400],
  ['a chunk that is none', 'POST /ask HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n', 400],
  ['a body too large', 'POST /ask HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n', 413],
  ['a chunk too large', 'POST /ask HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n', 413],
  ['a header too long', `GET / HTTP/1.1\r\nX: ${'x'.repeat(17000)}`, 431],
  ['too many headers', `GET / HTTP/1.1\r\n${'X: 1\r\n'.repeat(200)}\r\n`, 431],
  ['a way up', 'GET /files/../words HTTP/1.1\r\n\r\n', 400],
  ['a way up in disguise', 'GET /files/%2e%2e/words HTTP/1.1\r\n\r\n', 400],
  ['a zero byte', 'GET /files/a%00.txt HTTP/1.1\r\n\r\n', 400],
  ['half a byte', 'GET /%f HTTP/1.1\r\n\r\n', 400],
])('%s is refused', (_, text, status) => {
  const client = new Client(new Peer(contents)).send(text)
  expect(client.answer().status).toBe(status)
})

test('requests that nobody waits for answers of close the window, and none is lost', () => {
  const peer = new Peer(contents)
  peer.tcp({ sequence: 0, flags: SYN, mss: 1460 })
  const start = peer.segments()[0].sequence + 1
  const text = Buffer.from(get('/files/big') + get('/words').repeat(4000))
  let sequence = 1
  let acknowledgment = start
  let window = 65535
  // As much as it takes, with a window of its own that is closed.
  for (let at = 0; at < text.length && window > 0; ) {
    const data = text.subarray(at, at + Math.min(1400, window))
    peer.tcp({ sequence, acknowledgment, flags: ACK, window: 0, data })
    at += data.length
    sequence += data.length
    window = peer.segments().at(-1)?.window ?? 0
  }
  expect(sequence).toBeLessThan(70_000)
  const requests = () => peer.lan.log.list().length
  expect(requests()).toBe(1)
  // It reads: answers come, and the window opens.
  for (let rounds = 0; rounds < 20_000 && window < 60_000; rounds++) {
    peer.tcp({ sequence, acknowledgment, flags: ACK, window: 65535 })
    for (const segment of peer.segments()) {
      if (segment.sequence === acknowledgment) acknowledgment = (acknowledgment + segment.data.length) >>> 0
      window = segment.window
    }
  }
  expect(window).toBeGreaterThan(60_000)
  expect(requests()).toBeGreaterThan(900)
})

test('clients that ask for large answers and read none are told to come again, and others are served', () => {
  const large = Buffer.alloc(16 << 20)
  const peer = new Peer({
    http: { '/large': { kind: 'function', name: '/large' }, '/small': { kind: 'function', name: '/small' } },
    ask: (name) => ({ status: 200, headers: {}, body: name === '/large' ? large : Buffer.from('small') }),
  })
  const request = Buffer.from(get('/large'))
  const answers: Uint8Array[] = []
  for (let from = 20_000; from < 20_012; from++) {
    peer.tcp({ from, sequence: 0, flags: SYN, mss: 1460 })
    const [{ sequence }] = peer.segments()
    peer.tcp({ from, sequence: 1, acknowledgment: sequence + 1, flags: ACK, window: 100, data: request })
    answers.push(...peer.segments().map(({ data }) => data))
  }
  const statuses = answers.filter(({ length }) => length > 0).map((data) => Buffer.from(data).toString('latin1', 9, 12))
  expect(statuses.filter((status) => status === '200').length).toBeLessThanOrEqual(8)
  expect(statuses).toContain('503')
  expect(new Client(peer).send(get('/small')).answer().body.toString()).toBe('small')
})

test('folders: an index, a listing, and the slash that is missing', () => {
  const client = new Client(new Peer(contents)).send(get('/files/') + get('/files/sub/'))
  expect(client.answer().body.toString()).toContain('<li><a href="big">big</a></li>')
  expect(client.answer().status).toBe(200)
})

test('a download goes on from a saved state as it would have, to the very frame', () => {
  const peer = new Peer(contents)
  peer.tcp({ sequence: 0, flags: SYN, mss: 1460, windowScale: 3, sackPermitted: true })
  const [synAck] = peer.segments()
  peer.tcp({ sequence: 1, acknowledgment: synAck.sequence + 1, flags: ACK, window: 8000 })
  const request = Buffer.from(get('/files/big'))
  peer.tcp({ sequence: 1, acknowledgment: synAck.sequence + 1, flags: ACK, window: 8000, data: request })
  peer.heard.length = 0
  const copy = peer.copy(contents)
  for (const one of [peer, copy]) {
    const acknowledgment = synAck.sequence + 1 + 2920
    one.tcp({ sequence: 1 + request.length, acknowledgment, flags: ACK, window: 8000 })
    for (let i = 0; i < 3; i++)
      one.tcp({
        sequence: 1 + request.length,
        acknowledgment,
        flags: ACK,
        window: 8000,
        sack: [[acknowledgment + 1460, acknowledgment + 2920]],
      })
    one.clock.advance(5e9)
  }
  expect(copy.heard.length).toBeGreaterThan(5)
  expect(copy.heard).toEqual(peer.heard)
})

test('a thousand connections are served side by side, and what is too many is refused with a reset', () => {
  const peer = new Peer(contents)
  const clients = Array.from({ length: MOST_CONNECTIONS }, (_, i) => new Client(peer, 20000 + i))
  for (const client of clients) client.send(get('/words'))
  expect(clients.filter((client) => client.answer().body.toString() === 'hello')).toHaveLength(MOST_CONNECTIONS)
  peer.tcp({ from: 10000, sequence: 1000, flags: SYN, mss: 1460 })
  expect(peer.segments()).toMatchObject([{ to: 10000, flags: RST | ACK, acknowledgment: 1001 }])
  // One that ends makes room for one more, and all others are still there.
  clients[0].end()
  expect(new Client(peer, 10001).send(get('/words')).answer().body.toString()).toBe('hello')
  for (const client of clients.slice(1)) client.send(get('/files/a.txt'))
  expect(clients.slice(1).filter((client) => client.answer().body.toString() === 'a text')).toHaveLength(
    MOST_CONNECTIONS - 1,
  )
})
