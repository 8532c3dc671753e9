/** Linux's own `ne` and 8390 drive the NE2000: ping through a port that answers as a host would. */
import { expect, test } from 'vitest'
import { LoopbackPort } from '../../machine/network/port.js'
import { bootLinux, haveLinux } from './linux-modules.js'

const THERE = [0x02, 0, 0, 0, 0, 0x02]

/** ARP and ICMP echo requests, answered: addresses exchanged, the rest as it came. */
function answer(frame: Uint8Array): Uint8Array | undefined {
  const reply = frame.slice()
  const type = (frame[12] << 8) | frame[13]
  reply.set(frame.subarray(6, 12), 0)
  reply.set(THERE, 6)
  if (type === 0x0806 && frame[21] === 1) {
    reply[21] = 2
    reply.set(THERE, 22)
    reply.set(frame.subarray(38, 42), 28)
    reply.set(frame.subarray(22, 32), 32)
    return reply
  }
  if (type !== 0x0800 || frame[23] !== 1 || frame[34] !== 8) return undefined
  reply.set(frame.subarray(30, 34), 26)
  reply.set(frame.subarray(26, 30), 30)
  reply[34] = 0
  const sum = ((frame[36] << 8) | frame[37]) + 0x0800
  const folded = (sum & 0xffff) + (sum >>> 16)
  reply[36] = folded >>> 8
  reply[37] = folded & 0xff
  return reply
}

test.skipIf(!haveLinux)('ping, small and as large as a frame, and the card’s statistics', () => {
  const port = new LoopbackPort(answer)
  const commands = [
    'insmod /8390p.ko; insmod /ne.ko io=0x300 irq=10',
    'ifconfig eth0 192.168.7.1 up; ifconfig eth0',
    'ping -c 3 192.168.7.2; ping -c 40 -A -s 1472 192.168.7.2 | tail -3',
    'ifconfig eth0; cat /proc/interrupts',
  ]
  const { machine, serial, until } = bootLinux(['8390p', 'ne'], commands.join('\n'), {
    devices: [{ type: 'ne2k_isa', id: 'net0', options: { irq: 10 } }],
    backend: (kind, device) => (kind === 'net' && device === 'net0' ? port : undefined),
  })
  try {
    until('all done', 120)
    const text = serial()
    expect(text).toMatch(/NE2000 found at 0x300, using IRQ 10/)
    expect(text).toMatch(/HWaddr 52:54:00:12:34:56/i)
    expect(text).toMatch(/3 packets transmitted, 3 packets received, 0% packet loss/)
    expect(text).toMatch(/40 packets transmitted, 40 packets received, 0% packet loss/)
    expect(text).toMatch(/RX packets:\d+ errors:0 dropped:0 overruns:0 frame:0/)
    expect(port.sent.length).toBeGreaterThanOrEqual(44)
  } finally {
    if (process.env.BOOTWRIGHT_SHOW) console.log(serial())
    machine.close()
  }
})
