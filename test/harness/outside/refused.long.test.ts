/** A guest that knocks everywhere reaches nobody, and what that costs the host is bounded. */
import type { Socket } from 'node:net'
import { expect, test } from 'vitest'
import { wayOut } from '../../../harness/config/way-out.js'
import { addressText, ipv4 } from '../../../machine/network/lan/addresses.js'
import { TCP } from '../../../machine/network/lan/datagram.js'
import { SYN } from '../../../machine/network/lan/tcp/tcp-segment.js'
import { saveState } from '../../../machine/state/state-table.js'
import { Peer } from '../../machine/network/lan/peer.js'
import { Noted, outside } from './noted-dialer.js'

test('ten thousand connections, half of them to where nobody may go, all others refused there: each is, and nothing is kept', async () => {
  const mayReach = wayOut([{}])
  const open = new Set<Socket>()
  class Refusing extends Noted {
    override connect(address: string, port: number): Socket {
      const socket = super.connect(address, port)
      open.add(socket)
      socket.once('close', () => open.delete(socket))
      setImmediate(() => socket.destroy(Object.assign(new Error('no'), { code: 'ECONNREFUSED' })))
      return socket
    }
  }
  const peer = new Peer({
    wayOut: (protocol, address, port) => mayReach?.(protocol, addressText(address), port) ?? false,
  })
  const dialer = new Refusing()
  const { way, said } = outside(dialer)
  const before = process.memoryUsage().rss
  const answers = { reset: 0, unreachable: 0 }
  let most = 0
  for (let n = 0; n < 10_000; n++) {
    const address = n % 2 === 0 ? `10.${9 + (n % 200)}.${n & 0xff}.1` : `8.8.${n >>> 8}.${n & 0xff}`
    peer.tcp({ from: 1024 + n, to: 22, sequence: n, flags: SYN }, ipv4(address))
    for (const event of peer.told.splice(0)) way.hear(event)
    most = Math.max(most, open.size)
    if (n % 100 < 99) continue
    // The host's turn, and what it says is the machine's.
    while (open.size > 0) await new Promise((resolve) => setImmediate(resolve))
    for (const event of said.splice(0)) peer.outside(event)
    for (const event of peer.told.splice(0)) way.hear(event)
    for (const { protocol } of peer.datagrams()) answers[protocol === TCP ? 'reset' : 'unreachable']++
  }
  expect(answers).toEqual({ reset: 5000, unreachable: 5000 })
  expect(dialer.dialled).toHaveLength(5000)
  expect(dialer.dialled.every((one) => one.startsWith('8.8.'))).toBe(true)
  expect(most).toBeLessThanOrEqual(50)
  expect((way as unknown as { streams: Map<number, unknown> }).streams.size).toBe(0)
  expect(JSON.stringify(saveState(peer.lan)).length).toBeLessThan(200_000)
  expect(process.memoryUsage().rss - before).toBeLessThan(200 << 20)
  way.close()
}, 60_000)
