/** Debian's kernel and busybox on the LAN: a lease, names, files by HTTP and TFTP, the time, and what leads nowhere. */
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { servedFiles } from '../../harness/config/served-files.js'
import type { MachineOptions } from '../../machine/machine.js'
import { bootLinux, haveLinux } from './linux-modules.js'

const folder = mkdtempSync(join(tmpdir(), 'bootwright-lan-'))
const MEGABYTES = Number(process.env.BOOTWRIGHT_LAN_MB ?? 5)
const big = randomBytes(MEGABYTES << 20)
writeFileSync(join(folder, 'big'), big)
writeFileSync(join(folder, 'small'), 'a file by TFTP\n')

/** udhcpc's script: what it is told becomes the interface's. */
export const SCRIPT = [
  'cat > /s <<"E"',
  '#!/bin/sh',
  '[ "$1" = bound ] || exit 0',
  'ifconfig $interface $ip netmask $subnet; route add default gw $router',
  'mkdir -p /etc; echo "search $domain" > /etc/resolv.conf; echo "nameserver $dns" >> /etc/resolv.conf',
  'echo lease $ip $subnet $router $dns $ntpsrv $domain $lease',
  'E',
  'chmod +x /s; ln -s /bin/busybox /sbin 2>/dev/null',
]

const CARDS: { readonly [type: string]: { modules: string[]; insmod: string; options?: object } } = {
  ne2k_isa: {
    modules: ['8390p', 'ne'],
    insmod: 'insmod /8390p.ko; insmod /ne.ko io=0x300 irq=10',
    options: { irq: 10 },
  },
  ne2k_pci: { modules: ['8390', 'ne2k-pci'], insmod: 'insmod /8390.ko; insmod /ne2k-pci.ko' },
  e1000: { modules: ['e1000'], insmod: 'insmod /e1000.ko' },
  pcnet: { modules: ['mii', 'pcnet32'], insmod: 'insmod /mii.ko; insmod /pcnet32.ko' },
}
const type = process.env.BOOTWRIGHT_LAN_CARD ?? 'ne2k_isa'
const card = CARDS[type]

test.skipIf(!haveLinux)(`a guest with ${type}`, () => {
  const commands = [
    card.insmod,
    ...SCRIPT,
    'hostname client; ifconfig eth0 up; udhcpc -i eth0 -s /s -q -n -t 4 -x hostname:client || exit',
    'ping -c 3 10.0.2.2; ping -c 2 -s 4000 10.0.2.3',
    'nslookup gateway.lan.internal; nslookup client.lan.internal; nslookup www.debian.org',
    'tftp -g -r small -l /small 10.0.2.2; cat /small; tftp -g -r /small -b 1024 -l /small2 10.0.2.2; cmp /small /small2 && echo same',
    'tftp -g -r nothing -l /x 10.0.2.2',
    'date -s 2000-01-01; ntpd -n -q -p 10.0.2.2; date',
    'time wget -q -O - http://http/big | sha256sum',
    'wget -q -O - http://10.0.2.2/text; wget -S -O - http://10.0.2.2/none; wget -O - http://192.0.2.1/',
    'echo six; ifconfig eth0 | grep inet6; sleep 3; ping6 -c 2 fec0::2; wget -q -O - http://[fec0::2]/text',
    'cat /proc/net/snmp | grep Tcp',
  ]
  const { machine, serial, until } = bootLinux(card.modules, commands.join('\n'), {
    nics: [{ type, id: 'net0', mac: '52:54:00:12:34:56', net: 'lan', options: card.options as never }],
    network: {
      http: {
        '/': { kind: 'files', tree: servedFiles(folder, '--http') },
        '/text': { kind: 'bytes', body: Buffer.from('a text\n') },
      },
      tftp: servedFiles(folder, '--tftp'),
    },
  } as Partial<MachineOptions>)
  try {
    until('all done', 300)
    const text = serial()
    expect(text).toMatch(/lease 10\.0\.2\.15 255\.255\.255\.0 10\.0\.2\.2 10\.0\.2\.3 10\.0\.2\.2 lan\.internal 86400/)
    expect(text).toContain(createHash('sha256').update(big).digest('hex'))
  } finally {
    console.log(serial().split('\n').slice(-120).join('\n'))
    console.log(machine.requests())
    machine.close()
  }
})
