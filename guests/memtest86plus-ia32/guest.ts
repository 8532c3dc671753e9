import { all, defineGuest, packageFile, text } from 'bootwright'
import { firmware } from '../levels.js'

export default defineGuest({
  name: 'memtest86plus-ia32',
  title: 'Memtest86+ 6, 32 bits',
  family: 'memory tester',
  licence: 'GPL-2.0-only',
  machine: { memory: 16, kernel: { image: packageFile('memtest86+', '/boot/memtest86+ia32.bin') } },
  levels: [
    firmware,
    { name: 'kernel', title: 'its screen', until: text(/Memtest86\+ v\d/) },
    {
      name: 'testing',
      title: 'the first tests run without errors',
      keys: '<enter>',
      until: all(text(/Test #[2-9]/), text(/Errors: +0\b/)),
      timeout: '10m',
    },
  ],
})
