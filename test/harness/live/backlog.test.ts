/** A page that never reads: what it is not told does not pile up here. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { LiveScreen } from '../../../harness/live/live-machine.js'
import { ViewServer } from '../../../harness/live/view-server.js'
import { LiveFake } from './live-fake.js'

const MB = 1 << 20
const CHUNK = 'x'.repeat(64 << 10)
const CHUNKS = 1600

let server: ViewServer
afterEach(() => server.close())

test('100 MB of serial output for a page that never reads take no memory, and others hear all of it', async () => {
  const machine = new LiveFake(40, 30)
  server = await ViewServer.open({ machine, screen: new LiveScreen(machine), port: 0 })
  const { host, port, pathname } = new URL(server.url)
  const silent = connect(Number(port), '127.0.0.1')
  await once(silent, 'connect')
  silent.write(
    `GET ${pathname}control HTTP/1.1\r\nHost: ${host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  )
  await once(silent, 'readable')
  const listener = new WebSocket(`${server.url.replace('http', 'ws')}control`)
  await once(listener, 'open')
  let heard = 0
  listener.on('message', (data: Buffer) => {
    heard += (JSON.parse(data.toString()) as { text?: string }).text?.length ?? 0
  })

  const before = process.memoryUsage()
  let told = 0
  for (let i = 0; i < CHUNKS; i++) {
    server.tell({ kind: 'serial', text: CHUNK })
    told += CHUNK.length
    while (heard < told) await setImmediate()
  }
  const now = process.memoryUsage()
  expect(told / MB).toBe(100)
  expect((now.external + now.arrayBuffers - before.external - before.arrayBuffers) / MB).toBeLessThan(20)
  expect((now.rss - before.rss) / MB).toBeLessThan(60)
  silent.destroy()
  listener.terminate()
}, 300_000)
