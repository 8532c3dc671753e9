/**
 * Lines of a kernel module, which Debian's amd64 kernel loads where it likes: it is found in the guest by itself.
 * BOOTWRIGHT_LINUX names the folder of linux-modules.ts, for amd64; the host has the package linux-headers of that kernel.
 */
import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { openCovered } from '../../harness/config/symbol-files.js'
import { coveredLines } from '../../harness/coverage/covered-lines.js'
import { noFirmware } from '../firmware-here.js'
import { bootLinux } from './linux-modules.js'

const root = process.env.BOOTWRIGHT_LINUX
const version = root !== undefined && existsSync(root) ? readdirSync(join(root, 'lib/modules'))[0] : ''
const build = `/lib/modules/${version}/build`
const folder = mkdtempSync(join(tmpdir(), 'bootwright-module-'))
afterAll(() => rmSync(folder, { recursive: true }))

test.skipIf(!version.endsWith('amd64') || !existsSync(build) || noFirmware)(
  'lines of a module that the guest has loaded, with those of its init function',
  () => {
    copyFileSync(join(import.meta.dirname, 'modules/counter.c'), join(folder, 'counter.c'))
    writeFileSync(join(folder, 'Makefile'), 'obj-m := counter.o\n')
    execFileSync('make', ['-C', build, `M=${folder}`, 'modules'], { stdio: 'pipe' })
    const path = join(folder, 'counter.ko')
    const linux = bootLinux(
      [],
      [
        'insmod /counter.ko; echo 7 > /sys/module/counter/parameters/by',
        'dmesg | grep counter; echo text=$(cat /sys/module/counter/sections/.text)',
      ].join('\n'),
      { memory: 256 << 20, symbols: openCovered([{ path }]), coverage: true },
      'quiet',
      [{ path: 'counter.ko', data: readFileSync(path) }],
    )
    try {
      linux.until('all done', 600)
      expect(linux.serial()).toContain('counter: begins with 3')
      const target = linux.machine.debugTarget
      const parts = target?.executed() ?? []
      const [, text] = /text=(0x[\da-f]+)/.exec(linux.serial()) ?? []
      expect(target?.symbols.addressOf('step')).toBe(BigInt(text))
      const { files } = coveredLines(parts)
      const own = files.find((one) => one.path.endsWith('counter.c'))
      const source = readFileSync(join(folder, 'counter.c'), 'utf8').split('\n')
      const lines = [...(own?.lines ?? [])].map(([line, count]) => `${count} ${source[line - 1].trim()}`)
      expect(lines).toEqual(
        expect.arrayContaining([
          '1 total += by;',
          '1 if (step(by) < 0)',
          '1 pr_info("counter: begins with %d\\n", step(3));',
        ]),
      )
      expect(lines).toContain('0 pr_info("counter: ends with %d\\n", total);')
    } finally {
      linux.machine.close()
    }
  },
)
