/** Network cards, in QEMU's words and ours. */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { fromQemu } from '../../../harness/cli/qemu-options.js'
import { readNics } from '../../../harness/options/nic-words.js'
import { request } from './typed.js'

const folder = mkdtempSync(join(tmpdir(), 'bootwright-options-'))

describe('cards in QEMU’s words', () => {
  const nics = (...args: string[]) => request(fromQemu(args, () => false)).machine.nics
  const one = { type: 'ne2k_isa', id: 'net0', mac: '52:54:00:12:34:56', net: 'lan' }
  test('are cards on the LAN', () => {
    expect(nics('-nic', 'user,model=ne2k_isa,restrict=on')).toEqual([one])
    expect(nics('-net', 'nic,model=ne2k_isa', '-net', 'user')).toEqual([one])
    expect(nics('-net', 'nic,model=ne2k_isa,macaddr=52:54:00:00:00:01')).toEqual([{ ...one, mac: '52:54:00:00:00:01' }])
    expect(nics('-netdev', 'lan,id=u', '-device', 'ne2k_isa,netdev=u,mac=52:54:00:00:00:02,id=card')).toEqual([
      { ...one, id: 'card', mac: '52:54:00:00:00:02' },
    ])
    expect(nics('-device', 'ne2k_isa')).toEqual([{ ...one, net: 'none' }])
    expect(nics('-nic', 'none', '-net', 'none')).toBeUndefined()
  })
  test('are cards with a way out', () => {
    const user = { ...one, net: 'user' }
    const forwards = [{ address: '127.0.0.1', port: 2222, guestPort: 22 }]
    expect(nics('-nic', 'user,model=ne2k_isa')).toEqual([{ ...user, user: {} }])
    expect(nics('-nic', 'user,model=ne2k_isa,hostfwd=tcp::2222-:22')).toEqual([{ ...user, user: { forwards } }])
    const other = { address: '::1', port: 80, guest: '10.0.2.16', guestPort: 8080 }
    expect(
      nics(
        '-netdev',
        'user,id=u,hostfwd=:127.0.0.1:2222-:22,hostfwd=tcp:[::1]:80-10.0.2.16:8080,restrict=on',
        '-device',
        'ne2k_isa,netdev=u',
      ),
    ).toEqual([{ ...user, user: { restrict: true, forwards: [...forwards, other] } }])
    expect(nics('-nic', 'user,model=ne2k_isa,restrict,ipv6=on,ipv4')).toEqual([one])
    const rules = 'allow=127.0.0.1:8080,allow=192.168.0.0/16,allow=[::1]:53,allow=fd00::/8'
    expect(nics('--nic', `ne2k_isa,net=user,${rules}`)?.[0].user).toEqual({
      allow: [
        { address: '127.0.0.1', port: 8080 },
        { address: '192.168.0.0', prefix: 16 },
        { address: '::1', port: 53 },
        { address: 'fd00::', prefix: 8 },
      ],
    })
  })
  test('speak what they are told to, one alone where it alone is on', () => {
    const off4 = { ...one, ipv4: false }
    const off6 = { ...one, ipv6: false }
    expect(nics('--nic', 'ne2k_isa,ipv6=off')).toEqual([off6])
    expect(nics('--nic', 'ne2k_isa,ipv6=on,ipv4=on')).toEqual([one])
    expect(nics('-nic', 'user,model=ne2k_isa,restrict=on,ipv6=off')).toEqual([off6])
    expect(nics('-nic', 'user,model=ne2k_isa,restrict=on,ipv4')).toEqual([off6])
    expect(nics('-nic', 'user,model=ne2k_isa,restrict=on,ipv6=on')).toEqual([off4])
    const user = { net: 'user', user: {} }
    expect(nics('-netdev', 'user,id=u,ipv6=off', '-device', 'ne2k_isa,netdev=u')).toEqual([{ ...off6, ...user }])
    expect(readNics([{ type: 'ne2k_isa', ipv4: false, ipv6: true }], 'nic')).toEqual([off4])
  })
  test('tell what is served by TFTP', () => {
    const served = { tftp: folder, bootFiles: { bios: '/pxelinux.0' } }
    const words = `user,id=u,tftp=${folder},bootfile=/pxelinux.0`
    const network = (...args: string[]) => request(fromQemu(args, () => false)).machine.network
    expect(network('-netdev', words, '-device', 'ne2k_isa,netdev=u')).toMatchObject(served)
    expect(network('-nic', `${words},model=ne2k_isa`)).toMatchObject(served)
  })
  test('cards have QEMU’s other names', () => {
    const virtio = { ...one, type: 'virtio-net-pci' }
    expect(nics('-nic', 'user,model=virtio,restrict=on')).toEqual([virtio])
    expect(nics('--nic', 'virtio-net')).toEqual([virtio])
    expect(nics('-net', 'nic,model=virtio')).toEqual([virtio])
    expect(nics('-netdev', 'id=u,type=lan', '-device', 'virtio-net,netdev=u')).toEqual([virtio])
    expect(nics('-device', 'virtio-net')).toEqual([{ ...virtio, net: 'none' }])
    const other = ['virtio-net-pci-non-transitional,netdev=u,bus=pci.0', '-netdev', 'lan,id=u']
    expect(nics('-device', ...other)).toEqual([virtio])
  })
  test('addresses count past those that are given', () => {
    const given = ['-nic', 'ne2k_isa,mac=52:54:00:12:34:56', '-nic', 'ne2k_isa,id=net0', '-nic', 'ne2k_isa']
    expect(nics(...given)?.map(({ id, mac }) => `${id} ${mac}`)).toEqual([
      'net1 52:54:00:12:34:56',
      'net0 52:54:00:12:34:57',
      'net2 52:54:00:12:34:58',
    ])
  })
  test.each([
    [['-nic', 'tap,ifname=t0'], "-nic tap,ifname=t0: there is no net 'tap'; cards are plugged into"],
    [['-nic', 'user,model=ne2k_isa,guestfwd=udp::22-cmd:x'], 'is not of TCP, and nothing else can be'],
    [['-nic', 'user,net=192.168.76.0/24'], 'net cannot be changed: the LAN is 10.0.2.0/24'],
    [['-nic', 'user,ipv4=off,ipv6=off'], 'with ipv4=off and ipv6=off no server answers'],
    [['--nic', 'ne2k_isa,ipv6=of'], "ipv6 is on or off, not 'of'"],
    [
      ['--nic', 'ne2k_isa,net=user,ipv6=off,hostfwd=tcp::0-[fec0::15]:22'],
      'leads to fec0::15, which the card cannot have',
    ],
    [['-net', 'user,ipv6=off', '-net', 'nic'], "'ipv6' is said of a card; write -nic user,ipv6=off,model=e1000"],
    [['-nic', 'user,ipv6=of'], "ipv6 is on or off, not 'of'"],
    [['-nic', 'user,restrict=onn'], "restrict is on or off, not 'onn'"],
    [['-nic', 'user,model=e1000,model=ne2k_isa'], 'it has model twice; leave one out'],
    [['-netdev', '{"type":"user","id":"n0"}'], 'JSON is not taken; write it as in --netdev user,id=n0'],
    [['-device', '{"driver":"e1000"}'], 'JSON is not taken; write TYPE,OPTION=VALUE'],
    [['-nic', 'user,model=vmxnet3'], 'no such network card yet; it has ne2k_isa, ne2k_pci'],
    [['-netdev', 'user,id=a', '-device', 'e1000,netdev=a,addr=3'], 'its slot follows from the order of the devices'],
    [['-netdev', 'user,id=a', '-device', 'e1000,netdev=a,rombar=0'], 'romfile= alone leaves its ROM out'],
    [['--nic', 'e1000,tap=x'], "e1000 has no option 'tap'; options are net, id, mac, link"],
    [['--nic', 'e1000,ipv5=off'], "e1000 has no option 'ipv5'; did you mean 'ipv4'?"],
    [['--nic', 'ne2k_isa,link=of'], "link is on or off, not 'of'"],
    [['-nic', 'model=ne2k_isa'], 'names no net; write user, lan or none first, as in -nic user'],
    [['-nic', 'model=help'], "'bootwright devices' lists the cards"],
    [['-nic', 'usr,model=ne2k_isa'], "there is no net 'usr'; did you mean 'user'?"],
    [['-nic', 'E1000'], "there is no net 'E1000'; did you mean 'e1000'?"],
    [['-net', 'nic,modle=ne2k_isa'], "there is no 'modle'; did you mean 'model'?"],
    [['-net', 'user,vlan=0'], "there is no 'vlan'; leave it out"],
    [['-netdev', 'user,id=a', '-device', 'ne2k_isa,netdev=b'], "is connected to none of these; there are 'a'"],
    [['--nic', 'ne2k_isa,mac=00:00:00:00:00:00'], "is nobody's; give another"],
    [['-netdev', 'user,id=a'], 'no card is connected to it'],
    [
      ['-netdev', 'user,id=a', '-device', 'e1000,netdev=a,bootindex=1'],
      '--boot says what is booted first, as in --boot n',
    ],
    [['-netdev', 'user', '-device', 'ne2k_isa,netdev=a'], 'has no id; write user,id=n0'],
    [
      ['-netdev', 'user,id=a', '-device', 'ne2k_isa,netdev=a', '-device', 'ne2k_isa,netdev=a'],
      'two cards are connected to it',
    ],
  ])('%s is refused', (args, sentence) => {
    expect(() => nics(...args)).toThrow(sentence)
  })
})
