/** OpenBSD's own drivers, of 2.8, on its installer's floppy: each card pings, and fetches a file by HTTP, ne2k_isa among them. BOOTWRIGHT_SHOTS=folder keeps a picture. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import openbsd from '../../guests/openbsd-installer/guest.js'
import { launch } from '../../harness/vm/launch.js'
import '../../harness/vitest/matchers.js'
import { withoutMedia } from './media-here.js'

/** By the names that the drivers give them. The kernel looks for a card of ISA's there, and its line is none of PCI's. */
const CARDS: { readonly [driver: string]: string } = {
  ne0: 'ne2k_isa,iobase=0x240,irq=9',
  ne3: 'ne2k_pci',
  rl0: 'rtl8139',
  le1: 'pcnet',
}

test.skipIf(await withoutMedia(openbsd))('drives ne2k_isa, ne2k_pci, rtl8139 and pcnet', async () => {
  const vm = await launch({
    ...{ guest: openbsd, engine: 'soft', nic: Object.values(CARDS), timeout: '5m', hostTimeout: '25m' },
    network: { http: { '/hello': { text: 'hello from the LAN\n' } } },
  })
  try {
    await vm.bootCommand(["<wait '^boot>'><enter><wait '\\(I\\)nstall'>s<enter><wait '^# *$'>"])
    for (const card of Object.keys(CARDS)) {
      await vm.keyboard.type(
        `ifconfig ${card} inet 10.0.2.15 netmask 255.255.255.0; ping -c 3 -s 1400 10.0.2.2 | grep loss; ` +
          `ftp -o - http://10.0.2.2/hello 2>/dev/null; route delete 10.0.2.2; ifconfig ${card} delete; ifconfig ${card} down; echo ${card} is done\n`,
      )
      await expect(vm.screen).toHaveText(new RegExp(`^${card} is done`, 'm'))
      const text = await vm.screen.text()
      const last = text.slice(text.lastIndexOf(`echo ${card}`))
      expect(last).toContain('3 packets transmitted, 3 packets received, 0% packet loss')
      expect(last).toContain('hello from the LAN')
    }
    const asked = (await vm.network.requests()).filter(({ what }) => what === 'GET /hello')
    expect(asked.map(({ result }) => result)).toEqual(Object.values(CARDS).map(() => '200, 19 bytes'))
    const { BOOTWRIGHT_SHOTS: shots } = process.env
    if (shots) writeFileSync(join(shots, 'openbsd-cards.png'), await vm.screen.png())
  } finally {
    await vm.close()
  }
})
