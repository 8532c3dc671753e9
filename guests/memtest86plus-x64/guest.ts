import { all, defineGuest, packageFile, text } from 'bootwright'
import { firmware } from '../levels.js'

// Memory is small so that a pass is short; less than this, and the program finds no room to move to.
const noErrors = text(/Errors: +0\b/)

export default defineGuest({
  name: 'memtest86plus-x64',
  title: 'Memtest86+ 6, 64 bits, on four CPUs',
  family: 'memory tester',
  licence: 'GPL-2.0-only',
  machine: { memory: 5, cpus: 4, kernel: { image: packageFile('memtest86+', '/boot/memtest86+x64.bin') } },
  levels: [
    firmware,
    { name: 'kernel', title: 'its screen', until: text(/Memtest86\+ v\d/) },
    {
      name: 'testing',
      title: 'the first tests run without errors',
      keys: '<enter>',
      until: all(text(/Test #[2-9]/), noErrors),
      timeout: '10m',
    },
    // Its last test waits for minutes, to see whether bits fade.
    { name: 'pass', title: 'a whole pass without errors', until: all(text(/Pass: +1\b/), noErrors), timeout: '30m' },
  ],
  hostTimeout: '40m',
  heavy: 'executes some 20,000 million instructions',
})
