/** `--serial` on sockets, as QEMU's `-serial unix:…` and `tcp:…` are. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { parseCharacters, parseSerial } from '../../../harness/cli/character-options.js'
import { noFirmware } from '../../firmware-here.js'
import { programFloppy } from '../boot-programs.js'
import { inProcess } from './in-process.js'

const folder = mkdtempSync(join(tmpdir(), 'bootwright-serial-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const floppy = join(folder, 'echo.img')
writeFileSync(floppy, programFloppy('serialEcho'))

/** Says `text` and no more, and gives what it hears up to the end. */
function talk(socket: Socket, text: string): Promise<string> {
  return new Promise((resolve) => {
    let heard = ''
    socket.setEncoding('utf8')
    socket.on('data', (piece) => {
      heard += piece
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve(heard))
    socket.end(text)
  })
}

/** Waits for somebody to listen at `path`. */
async function reach(path: string): Promise<Socket> {
  for (;;) {
    const socket = connect({ path, allowHalfOpen: true })
    const isThere = await new Promise((resolve) => {
      socket.once('connect', () => resolve(true))
      socket.once('error', () => resolve(false))
    })
    if (isThere) return socket
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

const echo = (serial: string, ...more: string[]) =>
  inProcess(['run', '--floppy', floppy, '-serial', serial, '--until-serial', '>hello', '--timeout', '30s', ...more])

test.skipIf(noFirmware !== undefined)('the machine waits for who comes, and echoes what it says', async () => {
  const path = join(folder, 'a.sock')
  const ended = echo(`unix:${path},server=on`)
  expect(await talk(await reach(path), 'hello')).toContain('>hello')
  expect(await ended).toMatchObject({
    code: 0,
    stderr: expect.stringContaining(`serial: unix:${path}; the machine waits for somebody there\n`),
  })
})

test.skipIf(noFirmware !== undefined)('it connects to who listens', async () => {
  const path = join(folder, 'b.sock')
  const heard = new Promise<string>((resolve) => {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      server.close()
      resolve(talk(socket, 'hello'))
    })
    server.listen(path)
  })
  expect(await echo(`unix:${path}`)).toMatchObject({ code: 0 })
  expect(await heard).toContain('>hello')
})

test.skipIf(noFirmware !== undefined)('nobody listens, or comes', async () => {
  const path = join(folder, 'c.sock')
  expect(await echo(`unix:${path}`)).toMatchObject({
    code: 3,
    stderr: `bootwright: --serial: nobody listens at unix:${path} (ENOENT); add ,server=on,wait=off to listen there itself\n`,
  })
  const late = await echo(`unix:${path},server`, '--timeout', '100ms')
  expect(late.stderr).toContain(
    `nobody came to --serial unix:${path} before --timeout; add ,wait=off to begin without\n`,
  )
})

const tcp = (port: number) => ({ host: '127.0.0.1', port })
test.each([
  ['tcp::4444,server,nowait', { address: tcp(4444), connects: false, waits: false }],
  ['tcp:127.0.0.1:4444,server=on,wait=off', { address: tcp(4444), connects: false, waits: false }],
  ['tcp:[::1]:4444,server=on,nodelay=on', { address: { host: '::1', port: 4444 }, connects: false, waits: true }],
  ['tcp:127.0.0.1:4444', { address: tcp(4444), connects: true, waits: false }],
  ['telnet:127.0.0.1:4444,nowait', { address: tcp(4444), connects: false, waits: false }],
  ['unix:/tmp/x,server', { address: { path: '/tmp/x' }, connects: false, waits: true }],
])('%s', (text, serialSocket) => expect(parseSerial(text)).toEqual({ serialSocket }))

test('files, the terminal, and nothing', () => {
  const places = ['file:out.txt', 'out.txt', 'mon:stdio', 'none', 'null', undefined]
  expect(places.map((place) => parseCharacters('--debugcon', place))).toEqual([
    ...['out.txt', 'out.txt', 'stdio'],
    ...[undefined, undefined, undefined],
  ])
  expect(() => parseSerial('pty')).toThrow('--serial pty is not known here; it takes FILE, stdio or none, or a socket')
  expect(() => parseSerial('tcp:99999')).toThrow('--serial tcp:99999 is no socket; write unix:PATH or tcp:HOST:PORT')
  expect(() => parseCharacters('--debugcon', 'tcp::1')).toThrow('--debugcon tcp::1 is not known here')
})
