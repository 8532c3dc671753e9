/** Debian's kernel and busybox on the LAN: a lease, names, files by HTTP and TFTP, what leads nowhere, and TCP over bad cables. */
import { createHash } from 'node:crypto'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { servedFiles } from '../../harness/config/served-files.js'
import type { MachineNetwork, NicSpec } from '../../machine/network/machine-network.js'
import type { SwitchPort } from '../../machine/network/switch.js'
import { Random } from '../random.js'
import { bootLinux, haveLinux, type Linux } from './linux-modules.js'

const folder = mkdtempSync(join(tmpdir(), 'bootwright-lan-'))
const random = new Random(13)
const file = (name: string, size: number) => {
  const bytes = Uint8Array.from({ length: size }, () => random.u32() >>> 24)
  writeFileSync(join(folder, name), bytes)
  return createHash('sha256').update(bytes).digest('hex')
}
const small = file('small', 3000)
const third = file('third', 300_000)
const large = file('large', 2 << 20)

/** udhcpc's script: what it is told becomes the interface's. */
const LEASE = [
  'cat > /s <<"E"',
  '#!/bin/sh',
  '[ "$1" = bound ] || exit 0',
  'ifconfig $interface $ip netmask $subnet; route add default gw $router',
  'mkdir -p /etc; echo "search $domain" > /etc/resolv.conf; echo "nameserver $dns" >> /etc/resolv.conf',
  'echo lease $ip $subnet $router $dns $ntpsrv $domain $lease',
  'E',
  'chmod +x /s; hostname client; ifconfig eth0 up',
  'udhcpc -i eth0 -s /s -q -n -t 20 -x hostname:client',
]

const CARDS: { readonly [type: string]: string[] } = {
  e1000: ['e1000'],
  'virtio-net-pci': [
    'virtio',
    'virtio_ring',
    'virtio_pci_legacy_dev',
    'virtio_pci_modern_dev',
    'virtio_pci',
    'failover',
    'net_failover',
    'virtio_net',
  ],
  ne2k_pci: ['8390', 'ne2k-pci'],
  pcnet: ['mii', 'pcnet32'],
  rtl8139: ['mii', '8139too'],
}

function boot(
  type: string,
  commands: readonly string[],
  posted: Uint8Array[] = [],
  card: Partial<NicSpec> = {},
): Linux {
  const modules = CARDS[type]
  const script = [...modules.map((name) => `insmod /${name}.ko`), ...LEASE, ...commands]
  return bootLinux(modules, script.join('\n'), {
    nics: [{ type, id: 'net0', mac: '52:54:00:12:34:56', net: 'lan', ...card }],
    network: {
      http: {
        '/': { kind: 'files', tree: servedFiles(folder, '--http') },
        '/text': { kind: 'bytes', body: Buffer.from('a text\n') },
        '/post': { kind: 'function', name: '/post' },
      },
      tftp: servedFiles(folder, '--tftp'),
      ask(_, { body }) {
        posted.push(body)
        return { status: 200, headers: {}, body: Buffer.from('thanks\n') }
      },
    },
  })
}

/** Frames are lost both ways, and some that come are late. */
function spoil({ machine }: Linux, lostPercent: number, seed: number): void {
  const { network } = machine as unknown as { network: MachineNetwork }
  const port = network.port('net0') as SwitchPort
  const chance = new Random(seed)
  const [send, deliver] = [port.send.bind(port), port.deliver.bind(port)]
  port.send = (frame, time) => {
    if (chance.below(100) >= lostPercent) send(frame, time)
  }
  port.deliver = (frame, time) => {
    if (chance.below(100) < lostPercent) return
    deliver(frame, chance.chance(20) ? time + 3e6 : time)
  }
}

describe.skipIf(!haveLinux)('Debian’s kernel on the LAN', () => {
  test.each(['e1000', 'virtio-net-pci', 'ne2k_pci'])('all services, with %s', (type) => {
    const { machine, serial, until } = boot(type, [
      'ping -c 3 10.0.2.2; ping -c 2 -s 4000 10.0.2.3',
      'nslookup gateway.lan.internal; nslookup client.lan.internal; nslookup www.debian.org',
      'tftp -g -r small -l /a 10.0.2.2; sha256sum /a; tftp -g -r /small -b 1024 -l /b 10.0.2.2; cmp /a /b && echo alike',
      'tftp -g -r nothing -l /x 10.0.2.2',
      'wget -q -O - http://http/large | sha256sum',
      'wget -S -O - http://10.0.2.2/none; wget -O - http://192.0.2.1/; nc 10.0.2.2 81 || echo refused',
      'sleep 3; ping6 -c 2 fec0::2; wget -q -O - http://[fec0::2]/text',
    ])
    try {
      until('all done', 300)
      const text = serial()
      expect(text).toMatch(
        /lease 10\.0\.2\.15 255\.255\.255\.0 10\.0\.2\.2 10\.0\.2\.3 10\.0\.2\.2 lan\.internal 86400/,
      )
      expect(text.match(/ 0% packet loss/g)?.length).toBe(3)
      expect(text).toMatch(/client\.lan\.internal\s+Address: 10\.0\.2\.15/)
      expect(text).toMatch(/can't find www\.debian\.org: NXDOMAIN/)
      for (const words of [
        `${small}  /a`,
        'alike',
        'there is no such file',
        large,
        'HTTP/1.1 404 Not Found',
        'No route to host',
        'refused',
        'a text',
      ])
        expect(text).toContain(words)
      expect(machine.requests()).toContainEqual(
        expect.objectContaining({ protocol: 'refused', what: 'TCP 192.0.2.1 port 80' }),
      )
    } finally {
      machine.close()
    }
  })

  test('without IPv6: a lease, no router and no address that is made of its prefix', () => {
    const commands = [
      'sleep 4; ip -6 addr show eth0; ip -6 route; ping6 -c 1 fec0::2; wget -q -O - http://10.0.2.2/text',
    ]
    const { machine, serial, until } = boot('e1000', commands, [], { ipv6: false })
    try {
      until('all done', 300)
      expect(serial()).toContain('lease 10.0.2.15')
      expect(serial()).toMatch(/inet6 fe80::/)
      expect(serial()).not.toMatch(/inet6 fec0::|default via/)
      expect(serial()).toMatch(/Network (is )?unreachable/)
      expect(serial()).toContain('a text')
    } finally {
      machine.close()
    }
  })

  test.each([
    [1, 'large', large],
    [5, 'large', large],
    [20, 'third', third],
  ])('TCP when %i %% of all frames are lost and others come late', (percent, name, sum) => {
    const posted: Uint8Array[] = []
    const linux = boot(
      'e1000',
      [
        `wget -q -O - http://10.0.2.2/${name} | sha256sum`,
        'wget -q -O /third http://10.0.2.2/third',
        // wget's own --post-file ends at the first zero byte.
        "(printf 'POST /post HTTP/1.0\\r\\nContent-Length: 300000\\r\\n\\r\\n'; cat /third) | nc 10.0.2.2 80",
        'grep Tcp /proc/net/snmp',
      ],
      posted,
    )
    try {
      spoil(linux, percent, percent)
      linux.until('all done', 1800)
      expect(linux.serial()).toContain(`${sum}  -`)
      expect(linux.serial()).toContain('thanks')
      expect(createHash('sha256').update(posted[0]).digest('hex')).toBe(third)
    } finally {
      linux.machine.close()
    }
  })

  test('a reader that stops, one that ends its own side first, and one that goes away', () => {
    const { machine, serial, until } = boot('e1000', [
      'wget -q -O - http://10.0.2.2/large | (sleep 30; sha256sum)',
      "printf 'GET /text HTTP/1.0\\r\\n\\r\\n' | nc 10.0.2.2 80",
      'wget -q -O - http://10.0.2.2/large | head -c 10 | wc -c; sleep 1',
    ])
    try {
      until('all done', 400)
      expect(serial()).toContain(`${large}  -`)
      expect(serial()).toMatch(/HTTP\/1\.1 200 OK[\s\S]*a text/)
      expect(machine.requests().at(-1)).toMatchObject({ what: 'GET /large' })
      expect(machine.requests().at(-1)?.result).toMatch(/^200, reset by the guest after \d+ bytes$/)
    } finally {
      machine.close()
    }
  })
})
