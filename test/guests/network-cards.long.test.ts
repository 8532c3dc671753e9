/**
 * Debian's own drivers drive the network cards: a lease, pings, the link, and a file by HTTP from the LAN.
 */
import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { bootLinux, haveModules } from './linux-modules.js'

interface Card {
  type: string
  options?: { [option: string]: string | number | boolean }
  /** In the order of their loading. */
  modules: string[]
  load: string
  found: RegExp
  /** The driver tells the kernel whether the cable is in. */
  carrier?: boolean
  /** Its driver counts as overruns what comes while the ring is full, which is smaller than TCP's window. */
  overruns?: boolean
}

const VIRTIO = [
  ...['virtio', 'virtio_ring', 'virtio_pci_legacy_dev', 'virtio_pci_modern_dev', 'virtio_pci'],
  ...['failover', 'net_failover', 'virtio_net'],
]

const CARDS: Card[] = [
  {
    ...{ type: 'ne2k_isa', options: { irq: 10 }, modules: ['8390p', 'ne'] },
    load: 'insmod /8390p.ko; insmod /ne.ko io=0x300 irq=10',
    found: /NE2000 found at 0x300, using IRQ 10/,
  },
  {
    ...{ type: 'ne2k_pci', modules: ['8390', 'ne2k-pci'] },
    load: 'insmod /8390.ko; insmod /ne2k-pci.ko',
    found: /eth0: RealTek RTL-8029(\(AS\))? found at 0xc\d{3}, IRQ \d+/,
  },
  {
    ...{ type: 'pcnet', modules: ['mii', 'pcnet32'], carrier: true },
    load: 'insmod /mii.ko; insmod /pcnet32.ko',
    found: /eth0: registered as PCnet\/PCI II 79C970A/,
  },
  ...['e1000', 'e1000-82544gc', 'e1000-82545em'].map((type) => ({
    ...{ type, modules: ['e1000'], carrier: true },
    load: 'insmod /e1000.ko',
    found: /eth0: Intel\(R\) PRO\/1000 Network Connection/,
  })),
  {
    ...{ type: 'e1000-82573l', modules: ['e1000e'], carrier: true },
    load: 'insmod /e1000e.ko',
    found: /e1000e 0000:00:03\.0 eth0: MAC: 2, PHY: 2/,
  },
  {
    ...{ type: 'rtl8139', modules: ['mii', '8139cp'], carrier: true },
    load: 'insmod /mii.ko; insmod /8139cp.ko',
    found: /eth0: RTL-8139C\+ at 0x\w+, 52:54:00:12:34:56, IRQ \d+/,
  },
  {
    ...{ type: 'rtl8139', options: { plus: false }, modules: ['mii', '8139too'], carrier: true, overruns: true },
    load: 'insmod /mii.ko; insmod /8139too.ko',
    found: /eth0: RealTek RTL8139 at 0x\w+, 52:54:00:12:34:56, IRQ \d+/,
  },
  ...[{}, { 'disable-legacy': true }, { 'disable-modern': true }].map((options) => ({
    ...{ type: 'virtio-net-pci', options, modules: VIRTIO, carrier: true },
    load: VIRTIO.map((module) => `insmod /${module}.ko`).join('; '),
    found: /virtio0-input\.0/,
  })),
]

const file = Uint8Array.from({ length: 3 << 20 }, (_, i) => (i * 7 + (i >> 8) * 3 + (i >> 16)) & 0xff)
const sum = createHash('md5').update(file).digest('hex')

// One boot for all of it: that is what takes the time.
describe.each(CARDS)('$type $options with $modules', ({ type, options, modules, load, found, carrier, overruns }) => {
  const isHere = haveModules(modules)
  test.skipIf(!isHere)('a lease, pings as large as a frame, the link, a file by HTTP, and the statistics', () => {
    const carrierIs = (state: number) =>
      `while [ "$(cat /sys/class/net/eth0/carrier)" != ${state} ]; do sleep 1; done; echo carrier is ${state}`
    const commands = [
      `${load}; dmesg | tail -20`,
      'printf \'#!/bin/sh\\n[ "$1" != bound ] || ifconfig $interface $ip netmask $subnet\\n\' > /lease; chmod +x /lease',
      'ifconfig eth0 up; udhcpc -i eth0 -s /lease -q -n -t 4',
      'ping -c 3 10.0.2.2; ping -c 40 -A -s 1472 10.0.2.2 | tail -3',
      'ifconfig eth0; cat /proc/interrupts',
      ...(carrier ? [carrierIs(1), carrierIs(0), carrierIs(1), 'ping -c 3 10.0.2.2'] : []),
      'wget -q -O - http://10.0.2.2/file | md5sum; echo last; ifconfig eth0',
    ]
    let frames = 0
    const { machine, serial, until } = bootLinux(
      modules,
      commands.join('\n'),
      {
        nics: [{ type, id: 'net0', mac: '52:54:00:12:34:56', net: 'lan', options }],
        network: { http: { '/file': { kind: 'bytes', body: file } } },
        onFrame: () => frames++,
      },
      'quiet',
    )
    const link = (up: boolean) => machine.input({ kind: 'link', nic: 'net0', up })
    try {
      if (carrier) {
        until('carrier is 1', 120)
        link(false)
        until('carrier is 0', 20)
        link(true)
      }
      until('all done', 200)
      const [first, last] = serial().split('\nlast')
      expect(first).toMatch(found)
      expect(first).toMatch(/HWaddr 52:54:00:12:34:56\s+inet addr:10\.0\.2\.15/i)
      const pings = first.match(/3 packets transmitted, 3 packets received, 0% packet loss/g)
      expect(pings).toHaveLength(carrier ? 2 : 1)
      expect(first).toMatch(/40 packets transmitted, 40 packets received, 0% packet loss/)
      expect(first).toMatch(/RX packets:\d+ errors:0 dropped:0 overruns:0 frame:0/)
      expect(first).toMatch(/TX packets:\d+ errors:0 dropped:0 overruns:0 carrier:0/)
      expect(first).toContain(sum)
      // Of virtio's, a packet is as many segments as the LAN had at once.
      // A ring that is full for a while drops frames, and TCP sends them again.
      expect(last).toMatch(/RX packets:\d+ errors:\d+ dropped:\d+ overruns:\d+ frame:0.*RX bytes:3\d{6} /s)
      if (!overruns) expect(last).toMatch(/RX packets:\d+ errors:0 dropped:\d+ overruns:0 /)
      expect(frames).toBeGreaterThan(2 * 46)
    } finally {
      if (process.env.BOOTWRIGHT_SHOW) console.log(serial())
      machine.close()
    }
  })
})
