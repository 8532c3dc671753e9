/** Novell's NE2000 on the ISA bus, QEMU's `ne2k_isa`, from 300h on. */

import type { NetworkPort } from '../../../network/port.js'
import { integerOption, portOption } from '../../device-option.js'
import { deviceType } from '../../device-type.js'
import { macBytes, macOption } from '../mac-option.js'
import { NE2000_PORTS, Ne2000 } from './ne2000.js'

export const ne2kIsa = deviceType({
  type: 'ne2k_isa',
  title: 'NE2000 Ethernet card',
  category: 'Network',
  bus: 'isa',
  options: () => ({
    iobase: portOption().default(0x300).describe('first of its 32 ports'),
    irq: integerOption(3, 15).default(9).describe('ISA interrupt'),
    mac: macOption(),
  }),
  legacyPorts: [{ name: 'NE2000', base: 0x300, count: NE2000_PORTS }],
  create: (slot, { iobase, irq, mac }) =>
    new Ne2000({
      name: slot.name,
      clock: slot.clock,
      warn: slot.warn,
      irq: slot.irq('irq', irq),
      port: slot.backend<NetworkPort>('net'),
      base: iobase,
      mac: macBytes(mac),
    }),
})
