import { defineGuest, packageFile, text } from 'bootwright'
import { firmware } from '../levels.js'

export default defineGuest({
  name: 'ipxe-network',
  title: 'iPXE on a network',
  family: 'boot loader',
  licence: 'GPL-2.0-or-later',
  machine: {
    memory: 64,
    nic: 'e1000',
    boot: 'order=d',
    network: { http: { '/boot.ipxe': { text: '#!ipxe\necho the script of the LAN runs\nshell\n' } } },
    cdrom: packageFile('ipxe', '/usr/lib/ipxe/ipxe.iso'),
  },
  levels: [
    firmware,
    {
      name: 'shell',
      title: 'the prompt iPXE> after Ctrl-B',
      keys: "<wait 'Press Ctrl-B for the iPXE command line'><leftCtrlOn>b<leftCtrlOff>",
      until: text(/^iPXE>/),
    },
    { name: 'network', title: 'dhcp takes a lease', keys: 'dhcp<enter>', until: text(/Configuring[\s\S]* ok/) },
    { name: 'address', title: 'of 10.0.2.15', keys: 'show net0/ip<enter>', until: text(/ip:ipv4 = 10\.0\.2\.15/) },
    {
      name: 'http',
      title: 'chain runs a script by HTTP',
      keys: 'chain http://10.0.2.2/boot.ipxe<enter>',
      until: text('the script of the LAN runs'),
    },
  ],
})
