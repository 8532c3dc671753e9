/** Linux's own drivers feed the watchdogs with busybox's `watchdog`; when it is killed, the machine ends. */
import { expect, test } from 'vitest'
import { bootLinux, haveLinux } from './linux-modules.js'

test.skipIf(!haveLinux).each([
  ['i6300esb', ['watchdog', 'i6300esb']],
  ['ib700', ['ib700wdt']],
])('%s', (type, modules) => {
  const commands = [
    ...modules.map((name) => `insmod /${name}.ko`),
    'dmesg | tail -3',
    'watchdog -F -t 5 /dev/watchdog & sleep 90; echo fed; kill -9 $!; sleep 1',
  ]
  const { machine, serial, until } = bootLinux(modules, commands.join('\n'), { devices: [{ type, id: 'dog' }] })
  try {
    until('all done', 200)
    expect(serial()).toMatch(/^fed/m)
    const starved = machine.now()
    expect(machine.run(starved + 100e9)).toEqual({ reason: 'watchdog', action: 'reset', detail: 'dog' })
    const seconds = (machine.now() - starved) / 1e9
    expect(seconds).toBeGreaterThan(20)
    expect(seconds).toBeLessThan(61)
  } finally {
    if (process.env.BOOTWRIGHT_SHOW) console.log(serial())
    machine.close()
  }
})
