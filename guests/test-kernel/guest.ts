import { built, defineGuest } from 'bootwright'
import { buildTestKernel } from '../../fixtures/test-system.js'
import { firmware } from '../levels.js'
import { levels, OWN } from '../test-system.js'

export default defineGuest({
  ...OWN,
  name: 'test-kernel',
  title: 'Bootwright’s test system, a Multiboot kernel',
  machine: {
    memory: 16,
    kernel: { image: built('test-kernel.bin', [], buildTestKernel) },
    disks: [{ size: '1M', if: 'ide' }],
  },
  levels: [firmware, ...levels],
})
