import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import { LiveScreen } from '../../../harness/live/live-machine.js'
import { bands } from '../../../harness/live/rfb-encodings.js'
import { RfbSession } from '../../../harness/live/rfb-session.js'
import { vncResponse } from '../../../harness/live/vnc-auth.js'
import { VncServer } from '../../../harness/live/vnc-server.js'
import { LiveFake } from './live-fake.js'
import { type ClientOptions, RfbClient } from './rfb-client.js'

const [RAW, ZLIB, ZRLE, DESKTOP_SIZE, QEMU_MOTION, QEMU_KEYS] = [0, 6, 16, -223, -257, -258]
const sessions: RfbSession[] = []

afterEach(() => {
  for (const session of sessions.splice(0)) session.end()
})

/** A viewer and its session, with no network between. */
function viewer(machine: LiveFake, password?: string) {
  const state = { closed: false }
  const client = new RfbClient((bytes) => session.receive(bytes))
  const connection = {
    write: (bytes: Uint8Array) => client.reader.push(bytes),
    backlog: () => 0,
    close: () => {
      state.closed = true
      client.reader.end()
    },
  }
  const session = new RfbSession(connection, { machine, screen: new LiveScreen(machine), password })
  sessions.push(session)
  return { client, session, state, ended: session.run() }
}

async function opened(machine: LiveFake, options: ClientOptions = {}) {
  const all = viewer(machine)
  await all.client.open(options)
  return all
}

const corner = (x: number, y: number): [number, number, number] => [x & 255, y & 255, (x * y) & 255]

describe('the handshake', () => {
  test.each(['003.003', '003.007', '003.008'])('%s without a password', async (version) => {
    const { client } = await opened(new LiveFake(100, 50), { version })
    expect([client.width, client.height, client.name]).toEqual([100, 50, 'a fake'])
  })

  test.each(['003.003', '003.007', '003.008'])('%s with the right password', async (version) => {
    const { client } = viewer(new LiveFake(100, 50), 'secret12')
    await client.open({ version, password: 'secret12' })
    expect(client.width).toBe(100)
  })

  test('a wrong password is refused with a reason, and nothing is shown', async () => {
    const { client, state, ended } = viewer(new LiveFake(8, 8), 'secret')
    await expect(client.open({ password: 'Secret' })).rejects.toThrow('the password is wrong')
    await ended
    expect(state.closed).toBe(true)
  })

  test('with a password, a viewer that asks for none is refused', async () => {
    const { client, ended, state } = viewer(new LiveFake(8, 8), 'secret')
    await client.reader.read(12)
    client.write(Buffer.from('RFB 003.008\n'))
    expect(await client.types()).toEqual([2])
    client.write(Uint8Array.of(1))
    expect((await client.reader.read(4)).readUInt32BE()).toBe(1)
    await ended
    expect(state.closed).toBe(true)
  })

  test.each(['GET / HTTP/', 'RFB 004.000\n'])('%j is no viewer', async (words) => {
    const { client, state, ended } = viewer(new LiveFake(8, 8))
    client.write(Buffer.from(words.padEnd(12)))
    await ended
    expect(state.closed).toBe(true)
  })

  test("the response is DES with the password's bits mirrored", () => {
    // NIST SP 800-17, table 1: under a key of zeros but for parity.
    const plain = Buffer.from('8000000000000000'.repeat(2), 'hex')
    expect(vncResponse('', plain).toString('hex')).toBe('95f8a5e5dd31d900'.repeat(2))
    // The same, table 2: key 8001010101010101; its first byte mirrored is 01, parity does not count.
    const zeros = Buffer.alloc(16)
    expect(vncResponse('\u0001', zeros).toString('hex')).toBe('95a8d72813daa94d'.repeat(2))
  })
})

describe('pictures', () => {
  const rgb: ClientOptions['format'] = { bits: 32, max: [255, 255, 255], shift: [16, 8, 0] }

  test.each([
    ['raw', RAW],
    ['zlib', ZLIB],
    ['zrle', ZRLE],
  ])('%s: every pixel, of many colours and of few', async (_, encoding) => {
    const machine = new LiveFake(150, 70)
    machine.paint(corner)
    const { client } = await opened(machine, { encodings: [encoding], format: rgb })
    expect((await client.update())[0].encoding).toBe(encoding)
    const check = (colour: typeof corner) => {
      for (const [x, y] of [
        ...[
          [0, 0],
          [149, 69],
        ],
        ...[
          [63, 63],
          [64, 64],
          [128, 5],
        ],
      ]) {
        const [red, green, blue] = colour(x, y)
        expect(client.pixels[y * 150 + x]).toBe(red * 65536 + green * 256 + blue)
      }
    }
    check(corner)
    for (const count of [1, 2, 3, 5, 16, 17]) {
      const some = (x: number, y: number): [number, number, number] => [((x + y) % count) * 10, 7, count]
      machine.paint(some)
      await client.update()
      await settle(client, () => client.pixels[0] === 7 * 256 + count)
      check(some)
    }
  })

  test.each<[string, NonNullable<ClientOptions['format']>, number]>([
    ['32 bits, big-endian', { bits: 32, bigEndian: true, max: [255, 255, 255], shift: [16, 8, 0] }, 0xff8040],
    ['32 bits, colours on top', { bits: 32, max: [255, 255, 255], shift: [24, 16, 8], depth: 32 }, 0xff804000],
    ['16 bits', { bits: 16, max: [31, 63, 31], shift: [11, 5, 0] }, (31 << 11) | (32 << 5) | 8],
    [
      '16 bits, big-endian',
      { bits: 16, bigEndian: true, max: [31, 31, 31], shift: [10, 5, 0] },
      (31 << 10) | (16 << 5) | 8,
    ],
    ['8 bits', { bits: 8, max: [7, 7, 3], shift: [0, 3, 6] }, 7 | (4 << 3) | (1 << 6)],
  ])('%s', async (_, format, expected) => {
    const machine = new LiveFake(70, 20)
    machine.paint(() => [0xff, 0x80, 0x40])
    for (const encoding of [RAW, ZRLE]) {
      const { client } = await opened(machine, { encodings: [encoding], format })
      await client.update()
      expect(client.pixels[0] >>> 0).toBe(expected)
      expect(new Set(client.pixels).size).toBe(1)
    }
  })

  test('a vast screen is sent in pieces, so that nothing else waits for long', () => {
    expect(bands({ x: 3, y: 7, width: 16_000, height: 300 })).toEqual([
      { x: 3, y: 7, width: 16_000, height: 128 },
      { x: 3, y: 135, width: 16_000, height: 128 },
      { x: 3, y: 263, width: 16_000, height: 44 },
    ])
    for (const [width, height] of [
      [1920, 1080],
      [640, 480],
      [1, 16_383],
    ])
      expect(bands({ x: 0, y: 0, width, height })).toEqual([{ x: 0, y: 0, width, height }])
  })

  test('only what has changed is sent, when it has', async () => {
    const machine = new LiveFake(320, 200)
    machine.paint(() => [0, 0, 0])
    const { client } = await opened(machine, { encodings: [ZRLE] })
    await client.update()
    const next = client.update(true)
    expect(await Promise.race([next, sleep(100, 'nothing')])).toBe('nothing')
    machine.paint((x, y) => (x === 100 && y === 100 ? [255, 255, 255] : [0, 0, 0]))
    expect(await next).toEqual([{ encoding: ZRLE, x: 64, y: 96, width: 64, height: 16 }])
    expect(client.pixels[100 * 320 + 100]).toBe(0xffffff)
  })

  test('a new mode changes the size of those who know how', async () => {
    const machine = new LiveFake(320, 200)
    const { client } = await opened(machine, { encodings: [RAW, DESKTOP_SIZE] })
    const other = await opened(machine)
    await client.update()
    await other.client.update()
    machine.paint(() => [1, 1, 1], { width: 400, height: 100 })
    expect(await client.update(true)).toMatchObject([{ encoding: DESKTOP_SIZE, width: 400, height: 100 }])
    await client.update(true)
    expect(client.pixels).toHaveLength(400 * 100)
    // The other sees what fits, and black below.
    expect(await other.client.update(true)).toMatchObject([{ encoding: RAW, width: 320, height: 200 }])
    expect([other.client.pixels[0], other.client.pixels[150 * 320]]).toEqual([0x010101, 0])
  })

  test('a screen that is off is black', async () => {
    const { client } = await opened(new LiveFake(0, 0))
    await client.update()
    expect([client.width, client.height, client.pixels[0]]).toEqual([720, 400, 0])
  })
})

describe('keys', () => {
  test('keysyms are keys of a US layout', async () => {
    const machine = new LiveFake(8, 8)
    const { client } = await opened(machine)
    for (const keysym of [0x61, 0xff0d, 0xffbe, 0xffff]) for (const down of [true, false]) client.key(keysym, down)
    await sleep(10)
    expect(machine.keys).toEqual(['+KeyA', '-KeyA', '+Enter', '-Enter', '+F1', '-F1', '+Delete', '-Delete'])
  })

  test('scan codes are keys as they are, once the server has said so', async () => {
    const machine = new LiveFake(8, 8)
    const { client } = await opened(machine, { encodings: [RAW, QEMU_KEYS] })
    expect((await client.update()).map(({ encoding }) => encoding)).toEqual([QEMU_KEYS, RAW])
    for (const code of [0x1e, 0x9d, 0xcb, 0xb7]) client.scanCode(code, true)
    await sleep(10)
    expect(machine.keys).toEqual(['+KeyA', '+ControlRight', '+ArrowLeft', '+PrintScreen'])
  })

  test('a viewer that goes lets its keys go', async () => {
    const machine = new LiveFake(8, 8)
    const { client, session, ended } = await opened(machine)
    client.key(0xffe3, true)
    client.key(0x61, true)
    await sleep(10)
    session.end()
    await ended
    expect(machine.keys).toEqual(['+ControlLeft', '+KeyA', '-ControlLeft', '-KeyA'])
  })
})

describe('the pointer', () => {
  test('is told with its buttons as a mouse has them, and its wheel', async () => {
    const machine = new LiveFake(64, 64)
    const { client } = await opened(machine)
    for (const mask of [1, 2, 4, 8, 16]) client.pointer(mask, 5, 6)
    await sleep(10)
    expect(machine.pointers.map(({ buttons, dz }) => [buttons, dz])).toEqual([
      ...[
        [1, 0],
        [4, 0],
        [2, 0],
      ],
      ...[
        [0, -1],
        [0, 1],
      ],
    ])
  })

  test('may be told as movements', async () => {
    const machine = new LiveFake(64, 64)
    const { client } = await opened(machine, { encodings: [RAW, QEMU_MOTION] })
    client.pointer(1, 0x7fff + 3, 0x7fff - 2)
    await sleep(10)
    expect(machine.moves).toEqual([{ dx: 3, dy: -2, dz: 0, buttons: 1 }])
  })
})

test.each([
  ['an unknown message', [99]],
  ['24 bits a pixel', [0, 0, 0, 0, 24, 24, 0, 1, 0, 255, 0, 255, 0, 255, 0, 8, 16, 0, 0, 0]],
])('%s ends the session, not the machine', async (_, bytes) => {
  const { client, ended, state } = await opened(new LiveFake(8, 8))
  client.write(Uint8Array.from(bytes))
  await ended
  expect(state.closed).toBe(true)
})

test('cut text of a megabyte is taken and dropped', async () => {
  const { client } = await opened(new LiveFake(8, 8))
  client.write(Buffer.from([6, 0, 0, 0, 0, 0x10, 0, 0]))
  client.write(Buffer.alloc(0x10_0000, 'x'))
  expect(await client.update()).toHaveLength(1)
})

test('over TCP; a port in use is one sentence', async () => {
  const machine = new LiveFake(8, 8)
  const port = 20_000 + (process.pid % 20_000)
  const open = () => VncServer.open({ host: '127.0.0.1', port, password: 'pass' }, machine, new LiveScreen(machine))
  const server = await open()
  await expect(open()).rejects.toThrow(`--vnc: port ${port} is in use; name another`)
  const { client, socket } = await RfbClient.tcp(port)
  await client.open({ password: 'pass' })
  await client.update()
  expect(client.pixels).toHaveLength(64)
  const gone = new Promise((resolve) => socket.on('close', resolve))
  await server.close()
  await gone
  await expect(RfbClient.tcp(port)).rejects.toThrow('ECONNREFUSED')
})

describe('attacks over TCP', () => {
  async function attacked(password?: string) {
    const machine = new LiveFake(8, 8)
    const port = 20_000 + ((process.pid + 7919) % 20_000)
    const server = await VncServer.open({ host: '127.0.0.1', port, password }, machine, new LiveScreen(machine))
    return { server, port, machine }
  }

  /** Writes as much as it takes until the other end has gone; megabytes. */
  async function floods(socket: Socket, most: number): Promise<number> {
    const piece = Buffer.alloc(1 << 20, 'x')
    let sent = 0
    socket.on('error', () => {})
    while (!socket.destroyed && sent < most) {
      if (!socket.write(piece)) await new Promise((resolve) => socket.once('drain', resolve).once('close', resolve))
      sent++
    }
    return sent
  }

  test.each([
    ['a wrong version', 'GET / HTTP/1'],
    ['a wrong password', 'RFB 003.008\n\x02................'],
    ['a viewer that says nothing of use', ''],
  ])('%s: the connection is gone after the last word, whatever is sent then', async (_, words) => {
    const { server, port } = await attacked('secret')
    try {
      const { socket } = await RfbClient.tcp(port)
      socket.write(Buffer.from(words, 'latin1'))
      // What the buffers of the host's kernel take, and not what a process does.
      expect(await floods(socket, 256)).toBeLessThan(64)
    } finally {
      await server.close()
    }
  })

  test('silent connections are in the way of nobody', async () => {
    const { server, port } = await attacked('secret')
    const silent: Socket[] = []
    try {
      for (let i = 0; i < 100; i++) silent.push((await RfbClient.tcp(port)).socket)
      const { client, socket } = await RfbClient.tcp(port)
      await client.open({ password: 'secret' })
      await client.update()
      expect(client.pixels).toHaveLength(64)
      // Nor do they put out those that are in.
      for (let i = 0; i < 40; i++) silent.push((await RfbClient.tcp(port)).socket)
      await client.update()
      expect(socket.destroyed).toBe(false)
      await expect.poll(() => silent.filter(({ closed }) => !closed).length).toBeLessThanOrEqual(32)
    } finally {
      await server.close()
    }
  })

  test('a viewer that asks and never reads is sent no more than a picture or two', async () => {
    const { server, port, machine } = await attacked()
    try {
      machine.paint(corner, { width: 800, height: 600 })
      const { client, socket } = await RfbClient.tcp(port)
      await client.open({ format: { bits: 32, max: [255, 255, 255], shift: [16, 8, 0] } })
      socket.pause()
      const colourMap = Buffer.from([0, 0, 0, 0, 8, 8, 0, 0, 0, 7, 0, 7, 0, 3, 5, 2, 0, 0, 0, 0])
      const before = process.memoryUsage().external
      for (let i = 0; i < 200; i++) {
        client.ask(false)
        socket.write(Buffer.concat(Array<Buffer>(200).fill(colourMap)))
        await sleep(1)
      }
      expect(process.memoryUsage().external - before).toBeLessThan(64 << 20)
      socket.destroy()
    } finally {
      await server.close()
    }
  })
})

/** Takes updates until it is so. */
async function settle(client: RfbClient, isSo: () => boolean): Promise<void> {
  for (let i = 0; i < 50 && !isSo(); i++) {
    await sleep(10)
    await client.update()
  }
}
