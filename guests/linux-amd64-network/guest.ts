import { defineGuest, serial, text } from 'bootwright'
import { APPEND, busyboxInitrd, debianKernel, kernelModule, LINUX, toShell } from '../busybox-linux.js'

/** What busybox's DHCP client does with a lease. */
const SCRIPT = '[ "$1" = bound ] && ifconfig $interface $ip netmask $subnet && echo "lease of $ip" >/dev/ttyS0'

const initrd = busyboxInitrd(
  'linux-amd64-network',
  [
    `printf '#!/bin/sh\\n${SCRIPT.replaceAll("'", '')}\\n' >/etc/udhcpc; chmod +x /etc/udhcpc`,
    'ifconfig eth0 up',
    'udhcpc -i eth0 -n -q -s /etc/udhcpc >/dev/ttyS0 2>&1',
    'wget -q -O - http://10.0.2.2/hello >/dev/ttyS0 2>&1',
  ],
  [kernelModule('drivers/net/ethernet/intel/e1000/e1000.ko')],
)

export default defineGuest({
  ...LINUX,
  name: 'linux-amd64-network',
  title: 'Linux 6.1 amd64 with an Intel e1000',
  machine: {
    memory: 256,
    nic: 'e1000',
    network: { http: { '/hello': { text: 'hello from the LAN\n' } } },
    kernel: { image: debianKernel, initrd, append: APPEND },
  },
  levels: [
    ...toShell.slice(0, 2),
    { name: 'driver', title: 'e1000 finds its card', until: serial(/e1000 .*Intel\(R\) PRO\/1000/) },
    toShell[2],
    { name: 'network', title: 'a lease by DHCP', until: serial('lease of 10.0.2.15') },
    { name: 'http', title: 'wget gets a page of the LAN', until: serial('hello from the LAN') },
    { name: 'shell', title: 'ping answers', keys: 'ping -c 1 10.0.2.2<enter>', until: text('1 packets received') },
  ],
})
