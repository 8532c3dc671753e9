/** What the controllers of the family differ in. */

export interface E1000Model {
  /** QEMU's name, or in its style. */
  type: string
  title: string
  deviceId: number
  revision: number
  /** The second word of the PHY's identification: model and revision. */
  phyId2: number
  /** Of both directions, KiB. */
  packetBuffer: number
  /** Of that, what receivers have after a reset. */
  receiveBuffer: number
  /**
   * One on PCI Express: words of its flash memory in place of an EEPROM's pins, semaphores, interrupts that mask
   * themselves, descriptors of other layouts.
   */
  isExpress: boolean
}

/** Marvell's 88E1000, 88E1011 and 88E1111, which Intel's have on the die. */
const M88E1000 = 0x0c30
const M88E1011 = 0x0c20
const M88E1111 = 0x0cc2

const PCI = { revision: 3, packetBuffer: 64, receiveBuffer: 48, isExpress: false }

const models = {
  e1000: {
    ...{ type: 'e1000', title: 'Intel 82540EM Gigabit Ethernet', deviceId: 0x100e, phyId2: M88E1011 },
    ...PCI,
  },
  e1000_82544gc: {
    ...{ type: 'e1000-82544gc', title: 'Intel 82544GC Gigabit Ethernet', deviceId: 0x1008, phyId2: M88E1000 },
    ...PCI,
  },
  e1000_82545em: {
    ...{ type: 'e1000-82545em', title: 'Intel 82545EM Gigabit Ethernet', deviceId: 0x100f, phyId2: M88E1011 },
    ...PCI,
  },
  e1000_82573l: {
    ...{ type: 'e1000-82573l', title: 'Intel 82573L Gigabit Ethernet', deviceId: 0x109a, phyId2: M88E1111 },
    ...{ revision: 0, packetBuffer: 32, receiveBuffer: 20, isExpress: true },
  },
} satisfies { [name: string]: E1000Model }

export const { e1000, e1000_82544gc, e1000_82545em, e1000_82573l } = models
