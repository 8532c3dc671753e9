import { built, defineGuest } from 'bootwright'
import { buildTestFloppy } from '../../fixtures/test-system.js'
import { firmware } from '../levels.js'
import { levels, OWN } from '../test-system.js'

export default defineGuest({
  ...OWN,
  name: 'test-floppy',
  title: 'Bootwright’s test system, a boot sector',
  machine: {
    memory: 16,
    floppies: [built('test-floppy.img', [], buildTestFloppy)],
    disks: [{ size: '1M', if: 'ide' }],
    boot: 'order=a',
  },
  levels: [firmware, ...levels],
})
