/** iPXE's own drivers drive each PCI card: a lease, a script by HTTP, and no error that the driver counted. */
import { existsSync } from 'node:fs'
import { afterEach, expect, test } from 'vitest'
import { launch } from '../../harness/vm/launch.js'
import type { Vm } from '../../harness/vm/vm.js'
import '../../harness/vitest/matchers.js'

const ISO = '/usr/lib/ipxe/ipxe.iso'

/** By the names that the drivers give them. */
const CARDS: [nic: string, name: string][] = [
  ['e1000', '82540em'],
  ['e1000-82544gc', '82544ei'],
  ['e1000-82545em', '82545em'],
  ['e1000-82573l', '82573l'],
  ['ne2k_pci', 'rtl8029'],
  ['pcnet', 'pcnet32'],
  ['rtl8139', 'rtl8139'],
  ['virtio-net-pci', 'virtio-net'],
  ['virtio-net-pci,disable-legacy=on', 'virtio-net'],
]

let vm: Vm | undefined
afterEach(async () => {
  await vm?.close()
})

test.skipIf(!existsSync(ISO)).each(CARDS)('%s', async (nic, name) => {
  const script = '#!ipxe\nifstat\necho fetched by HTTP\nshell\n'
  vm = await launch({
    ...({ engine: 'soft', memory: 64, cdrom: ISO, boot: 'order=d', nic } as const),
    network: { http: { '/boot.ipxe': { text: script } } },
  })
  await vm.bootCommand([
    "<wait 'Press Ctrl-B'><leftCtrlOn>b<leftCtrlOff><wait '^iPXE>'>dhcp<enter>",
    "<wait 'Configuring[\\s\\S]* ok'>chain http://10.0.2.2/boot.ipxe<enter>",
  ])
  await expect(vm.screen).toHaveText('fetched by HTTP')
  const text = await vm.screen.text()
  expect(text).toContain(`net0: 52:54:00:12:34:56 using ${name} on `)
  expect(text).toMatch(/\[Link:up, TX:\d+ TXE:0 RX:\d+ RXE:0\]/)
})
