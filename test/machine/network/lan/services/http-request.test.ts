/** Requests as they come in pieces: every cut of the bytes, states saved between them, and what would cost a parser dear. */
import { expect, test } from 'vitest'
import {
  BadRequest,
  type HttpRequest,
  LONGEST_BODY,
  RequestReader,
} from '../../../../../machine/network/lan/services/http-request.js'
import { loadState, saveState } from '../../../../../machine/state/state-table.js'

const bytes = (text: string) => Buffer.from(text, 'latin1')

function all(reader: RequestReader): string[] {
  const found: string[] = []
  for (let next = reader.next(); next && next !== 'continue'; next = reader.next()) found.push(words(next))
  return found
}

const words = ({ method, target, minor, headers, body }: HttpRequest) =>
  `${method} ${target} ${minor} ${[...headers].map((one) => one.join('=')).join('&')} ${Buffer.from(body).toString('latin1')}`

const THREE = [
  '\r\n\nPOST /a HTTP/1.1\r\nX: \t one\r\nx:two \t\r\nTransfer-Encoding: chunked\r\n\r\n',
  '3\r\nabc\r\n00A;e="x y"\r\n0123456789\r\n0\r\nT: 1\r\nU: 2\r\n\r\n',
  'PUT /b HTTP/1.0\nContent-Length: 4\n\nbody',
  'GET /c HTTP/1.1\r\n\r\n',
].join('')
const READ = [
  'POST /a 1 x=one, two&transfer-encoding=chunked abc0123456789',
  'PUT /b 0 content-length=4 body',
  'GET /c 1  ',
]

test('requests are the same however they are cut', () => {
  for (let cut = 0; cut <= THREE.length; cut++) {
    const reader = new RequestReader()
    reader.add(bytes(THREE.slice(0, cut)))
    const first = all(reader)
    reader.add(bytes(THREE.slice(cut)))
    expect([...first, ...all(reader)]).toEqual(READ)
    expect([reader.unread, reader.held]).toEqual([0, 0])
  }
})

test('a reader goes on from a state that was saved at any byte', () => {
  let reader = new RequestReader()
  const found: string[] = []
  for (const byte of bytes(THREE)) {
    reader.add(Uint8Array.of(byte))
    found.push(...all(reader))
    const copy = new RequestReader()
    loadState(copy, structuredClone(saveState(reader)))
    reader = copy
  }
  expect(found).toEqual(READ)
})

test('a state whose head is none is refused', () => {
  const saved = saveState(new RequestReader()) as Record<string, unknown>
  expect(() => loadState(new RequestReader(), { ...saved, headBytes: bytes('nonsense\r\n\r\n') } as never)).toThrow(
    'it is no head of a request',
  )
})

test.each([
  ['blanks before a CR', `X:${' '.repeat(15_000)}\r`],
  ['blanks between words', `X: a${' '.repeat(15_000)}b\r`],
  ['a zero', 'X: a\0b'],
])('a header with %s is refused at once', (_, header) => {
  const reader = new RequestReader()
  reader.add(bytes(`GET / HTTP/1.1\r\n${header}x\r\n\r\n`))
  expect(() => reader.next()).toThrow(BadRequest)
})

test('a body of many small chunks costs no more than its bytes', () => {
  const reader = new RequestReader()
  reader.add(bytes('POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n'))
  const chunk = bytes('1\r\nx\r\n')
  for (let i = 0; i < 20_000; i++) {
    reader.add(chunk)
    reader.next()
  }
  expect([reader.unread, reader.held]).toEqual([0, 20_000])
  reader.add(bytes('0\r\n\r\n'))
  expect((reader.next() as HttpRequest).body.length).toBe(20_000)
})

test('a body that is longer than may be is refused, by length and in chunks', () => {
  const reader = new RequestReader()
  reader.add(bytes('POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n'))
  expect(() => {
    for (let i = 0; i <= LONGEST_BODY / 65_536; i++) {
      reader.add(bytes('10000\r\n'))
      reader.add(new Uint8Array(65_536))
      reader.add(bytes('\r\n'))
      reader.next()
    }
  }).toThrow('the body is too large')
  expect(reader.held).toBe(LONGEST_BODY)
})

test('a chunk that goes on and on is refused', () => {
  const reader = new RequestReader()
  reader.add(bytes('POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n'))
  expect(() => {
    for (let i = 0; i < 2000; i++) {
      reader.add(bytes('0'))
      reader.next()
    }
  }).toThrow('a chunk is malformed')
  const behind = new RequestReader()
  behind.add(bytes('POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabcd'))
  expect(() => behind.next()).toThrow('a chunk is malformed')
})
