/**
 * What may come over the live view's WebSockets, by a real socket: handshakes that were changed, frames with any
 * operation code, length, mask, fragments and close code, messages of the page, of a viewer, and of nobody. The server
 * serves or closes; whoever behaves is served all the time, and nothing is left of those that went.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { LiveScreen } from '../../harness/live/live-machine.js'
import { ViewServer } from '../../harness/live/view-server.js'
import { LiveFake } from '../harness/live/live-fake.js'
import type { Random } from '../random.js'
import { type Fuzzer, FuzzFailure, shrink } from './fuzzer.js'
import { mutated, mutatedBytes } from './mutate.js'

const FRAMES = 12
/** Most time for the server to be done with one that has gone, ms of a busy host. */
const PATIENCE = 20_000
/** Most resident memory that is made of messages of a MiB at most, bytes. */
const MOST_MEMORY = 1 << 30

// RFC 6455, 5.2 and 7.4
const [CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG] = [0, 1, 2, 8, 9, 10]
const CLOSE_CODES = [0, 999, 1000, 1001, 1002, 1004, 1005, 1006, 1007, 1009, 1015, 2999, 3000, 4999, 5000, 65535]
const PAGE = [
  { kind: 'press', keys: ['Control', 'Alt', 'Delete'] },
  { kind: 'mouse', dx: 3, dy: -4, dz: 1, buttons: 1 },
  { kind: 'serial', text: 'ls\r' },
  { kind: 'save', box: { x: 1, y: 2, width: 3, height: 4 } },
]

interface Bench {
  machine: LiveFake
  server: ViewServer
  tools: unknown[]
}

let bench: Promise<Bench> | undefined

async function open(): Promise<Bench> {
  const machine = new LiveFake(40, 30)
  const tools: unknown[] = []
  const server = await ViewServer.open({
    machine,
    screen: new LiveScreen(machine),
    port: 0,
    onSerial: (bytes) => bytes.length < 1000,
    onTool: (message) => void tools.push(message),
  })
  return { machine, server, tools }
}

function frame(random: Random): Buffer {
  const opcode = random.chance(8)
    ? random.below(16)
    : random.pick([TEXT, TEXT, TEXT, BINARY, BINARY, CONTINUATION, CLOSE, PING, PONG])
  const fin = random.chance(5) ? 0 : 0x80
  const reserved = random.chance(20) ? random.below(8) << 4 : 0
  const payload = payloadOf(opcode, random)
  const length = random.chance(10) ? random.pick([0, 1, 125, 126, 65535, 65536, 1 << 20]) : payload.length
  const masked = !random.chance(12)
  const head = [fin | reserved | opcode, ...lengthOf(length, masked, random)]
  const mask = Buffer.from(masked ? [1, 2, 3, 4].map(() => random.below(256)) : [])
  return Buffer.concat([Buffer.from(head), mask, payload.map((byte, i) => byte ^ (masked ? mask[i & 3] : 0))])
}

function lengthOf(length: number, masked: boolean, random: Random): number[] {
  const bit = masked ? 0x80 : 0
  const size = random.chance(15) ? random.pick([7, 16, 64]) : length < 126 ? 7 : length < 65536 ? 16 : 64
  if (size === 7) return [bit | (length & 0x7f)]
  if (size === 16) return [bit | 126, (length >> 8) & 255, length & 255]
  const high = random.chance(3) ? random.pick([0, 1, 0x7fffffff, 0x80000000, 0xffffffff]) : 0
  const bytes = Buffer.alloc(8)
  bytes.writeUInt32BE(high, 0)
  bytes.writeUInt32BE(length, 4)
  return [bit | 127, ...bytes]
}

function payloadOf(opcode: number, random: Random): Buffer {
  const noise = (length: number) => Buffer.from(Array.from({ length }, () => random.below(256)))
  if (opcode === CLOSE) {
    const code = Buffer.alloc(2)
    code.writeUInt16BE(random.pick(CLOSE_CODES))
    return Buffer.concat([code, noise(random.pick([0, 0, 5, 130]))]).subarray(random.chance(6) ? 1 : 0)
  }
  if (opcode === PING || opcode === PONG) return noise(random.pick([0, 4, 125, 126, 500]))
  switch (random.below(5)) {
    case 0:
      return noise(random.below(300))
    case 1:
      return Buffer.from('RFB 003.008\n\x01\x01')
    case 2:
      return Buffer.alloc(random.pick([1, 126, 65536, 300_000]), 'x')
    case 3:
      return Buffer.from(JSON.stringify(random.pick(PAGE)))
    default: {
      const text = Buffer.from(JSON.stringify(mutated(random.pick(PAGE), random)) ?? '')
      return random.chance(4) ? mutatedBytes(text, random) : text
    }
  }
}

function handshake(url: URL, random: Random): Buffer {
  const path = `${url.pathname}${random.pick(['control', 'control', 'rfb', 'rfb', 'rfb/', '%00', ''])}`
  const lines = [
    `GET ${path} HTTP/1.1`,
    `Host: ${url.host}`,
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Version: ${random.chance(8) ? random.pick(['8', '0', '', '13, 8']) : '13'}`,
    `Sec-WebSocket-Key: ${random.chance(8) ? 'short' : 'dGhlIHNhbXBsZSBub25jZQ=='}`,
    ...(random.chance(4) ? [`Sec-WebSocket-Protocol: ${random.pick(['binary', 'a, b', ',,', 'a a'])}`] : []),
    ...(random.chance(4)
      ? [`Sec-WebSocket-Extensions: permessage-deflate; ${random.pick(['client_max_window_bits', '=;', 'x="'])}`]
      : []),
  ]
  const bytes = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`)
  return random.chance(6) ? mutatedBytes(bytes, random, 3) : bytes
}

/** Sends all of it in pieces, goes away in one of three ways, and waits until the server has let go. */
async function attack({ server }: Bench, parts: readonly Buffer[], way: number, piece: number): Promise<void> {
  const { port } = new URL(server.url)
  const socket = connect(Number(port), '127.0.0.1')
  socket.on('error', () => {})
  // Not by once(), which takes an error for an end: a reset is an answer.
  const closed = new Promise<boolean>((resolve) => void socket.on('close', () => resolve(true)))
  await once(socket, 'connect')
  socket.resume()
  const bytes = Buffer.concat(parts)
  for (let at = 0; at < bytes.length && socket.writable; at += piece)
    await write(socket, bytes.subarray(at, at + piece))
  if (way === 0) socket.destroy()
  else if (way === 1) socket.resetAndDestroy()
  else socket.end()
  const patience = new AbortController()
  const gone = await Promise.race([closed, sleep(PATIENCE, false, { signal: patience.signal }).catch(() => true)])
  patience.abort()
  socket.destroy()
  if (!gone) throw new FuzzFailure('the server keeps a connection whose other end has gone', '')
}

function write(socket: Socket, bytes: Buffer): Promise<void> {
  return new Promise((resolve) => socket.write(bytes, () => resolve()))
}

/** Someone who behaves presses a key, and the machine gets it. */
async function isServed({ server, machine }: Bench): Promise<void> {
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}control`)
  await once(socket, 'open')
  socket.send(JSON.stringify({ kind: 'press', keys: ['F9'] }))
  const end = performance.now() + PATIENCE
  // What the one before had sent may come first.
  while (!machine.keys.includes('-F9') && performance.now() < end) await sleep(1)
  socket.terminate()
  if (!machine.keys.join().includes('+F9,-F9')) throw new FuzzFailure("a good page's key does not come", '')
}

function problemOf({ machine, tools }: Bench): string | undefined {
  const key = machine.keys.find((one) => !/^[+-][A-Z]\w+$/.test(one))
  if (key !== undefined) return `the machine was given the key ${key}`
  const odd = machine.moves.find(({ dx, dy, dz, buttons }) => ![dx, dy, dz, buttons].every(Number.isInteger))
  if (odd) return `the machine was given ${JSON.stringify(odd)}`
  if (tools.some((tool) => typeof (tool as { kind?: unknown })?.kind !== 'string')) return 'a tool was told no message'
  const { rss } = process.memoryUsage()
  return rss > MOST_MEMORY ? `${rss >> 20} MB are resident` : undefined
}

async function attempt(
  bench: Bench,
  parts: readonly Buffer[],
  way: number,
  piece: number,
): Promise<string | undefined> {
  const { machine, tools } = bench
  machine.keys.length = machine.moves.length = tools.length = 0
  try {
    await attack(bench, parts, way, piece)
    const wrong = problemOf(bench)
    if (wrong !== undefined) return wrong
    await isServed(bench)
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

const fuzzer: Fuzzer = {
  name: 'websocket',
  title: `sockets of the live view that send ${FRAMES} frames of any kind are served or closed`,
  unit: 'frames',
  dose: 60,
  async run(random, { count }) {
    bench ??= open()
    const here = await bench
    const url = new URL(here.server.url)
    const parts = [handshake(url, random), ...Array.from({ length: FRAMES }, () => frame(random))]
    const way = random.below(3)
    const piece = random.pick([1 << 20, 1 << 20, 1000, 7])
    const most = piece === 7 ? parts.map((part) => part.subarray(0, 400)) : parts
    here.machine.paint(() => [random.below(256), 0, 0])
    const wrong = await attempt(here, most, way, piece)
    count(FRAMES)
    if (wrong === undefined) return
    const small = await shrink(most, async (some) => (await attempt(here, some, way, piece)) !== undefined, 40)
    throw new FuzzFailure(wrong, small.map((part) => part.subarray(0, 200).toString('base64')).join(' '))
  },
  async close() {
    await (await bench)?.server.close()
    bench = undefined
  },
}

export default fuzzer
