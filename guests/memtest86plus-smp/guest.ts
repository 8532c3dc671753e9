import { all, defineGuest, packageFile, text } from 'bootwright'
import { firmware } from '../levels.js'

export default defineGuest({
  name: 'memtest86plus-smp',
  title: 'Memtest86+ 6, 64 bits, its first tests on two CPUs',
  family: 'memory tester',
  licence: 'GPL-2.0-only',
  machine: { memory: 5, cpus: 2, kernel: { image: packageFile('memtest86+', '/boot/memtest86+x64.bin') } },
  levels: [
    firmware,
    { name: 'kernel', title: 'its screen', until: text(/Memtest86\+ v\d/) },
    { name: 'smp', title: 'two cores are found', until: text(/2 Cores 2 Threads/) },
    {
      name: 'testing',
      title: 'the first tests run without errors',
      keys: '<enter>',
      until: all(text(/Test #[2-9]/), text(/Errors: +0\b/)),
      timeout: '10m',
    },
  ],
})
