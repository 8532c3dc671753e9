/** QEMU's `VGA`: the standard adapter on the PCI bus, 1234:1111 (QEMU's docs/specs/standard-vga.txt). */
import { choiceOption } from '../device-option.js'
import { deviceType, type Slot } from '../device-type.js'
import { setOptionRom } from '../option-rom.js'
import { Vga } from './vga.js'

const FRAME_BUFFER_BAR = 0
const MMIO_BAR = 2

export const vga = deviceType({
  type: 'VGA',
  title: 'VGA with the Bochs VBE extensions',
  category: 'Display',
  bus: 'pci',
  options: () => ({
    vgamem_mb: choiceOption([1, 2, 4, 8, 16]).default(16).describe('video memory, MiB, a power of two'),
  }),
  memory: ({ vgamem_mb }) => vgamem_mb << 20,
  create(slot: Slot, { vgamem_mb }) {
    const vram = slot.allocate('VGA memory', vgamem_mb << 20)
    const adapter = new Vga({ clock: slot.clock, warn: slot.warn, vram: vram.bytes })
    const pci = slot.pci({ vendorId: 0x1234, deviceId: 0x1111, revision: 2, classCode: 0x030000 })
    pci.addRamBar(
      FRAME_BUFFER_BAR,
      { name: 'VGA frame buffer', offset: vram.offset, size: vram.size },
      { prefetchable: true },
    )
    pci.addMemoryBar(MMIO_BAR, adapter.mmioBar)
    setOptionRom(slot, pci, 'vgabios')
    return adapter
  },
})
