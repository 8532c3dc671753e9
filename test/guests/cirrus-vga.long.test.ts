/** Linux's own drivers for the Cirrus bring up a console in graphics: the tiny DRM driver, and cirrusfb with its BLT engine. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import sharp from 'sharp'
import { expect, test } from 'vitest'
import type { Machine } from '../../machine/machine.js'
import { bootLinux, haveLinux } from './linux-modules.js'

const SYS = ['fb_sys_fops', 'sysimgblt', 'sysfillrect', 'syscopyarea']

const COMMANDS = (modules: string[]) =>
  [
    ...modules.map((name) => `insmod /${name}.ko`),
    'for n in 1 2 3 4 5 6 7 8 9 10; do for m in 1 2 3 4 5; do echo "$n $m The quick brown fox"; done > /dev/tty0; done',
    'cat /proc/fb; cat /sys/class/graphics/fb0/virtual_size',
    'echo "a console in graphics" > /dev/tty0',
  ].join('\n')

/** Of the pixels; the picture goes where BOOTWRIGHT_SHOW says. */
async function look(machine: Machine, name: string): Promise<{ colours: number; lit: number }> {
  const { width, height, data } = machine.display.frame()
  const folder = process.env.BOOTWRIGHT_SHOW
  if (folder) {
    mkdirSync(folder, { recursive: true })
    await sharp(data, { raw: { width, height, channels: 4 } })
      .png()
      .toFile(join(folder, `${name}.png`))
  }
  const pixels = new Uint32Array(data.buffer, data.byteOffset, data.length >>> 2)
  return {
    colours: new Set(pixels).size,
    lit: pixels.filter((pixel) => (pixel & 0xffffff) !== 0).length / pixels.length,
  }
}

test.skipIf(!haveLinux).each([
  {
    name: 'cirrus',
    modules: [...SYS, 'drm', 'drm_kms_helper', 'drm_shmem_helper', 'cirrus'],
    driver: 'cirrusdrmfb',
    size: '1024',
  },
  { name: 'cirrusfb', modules: ['cirrusfb'], driver: 'CL', size: '640' },
])('$name', async ({ name, modules, driver, size }) => {
  const { machine, serial, until } = bootLinux(modules, COMMANDS(modules), { vga: 'cirrus-vga' })
  try {
    until('all done', 180)
    machine.run(machine.now() + 2e9)
    expect(serial()).toMatch(new RegExp(`^0 .*${driver}`, 'm'))
    expect(serial()).toMatch(new RegExp(`^${size},`, 'm'))
    expect(machine.display.mode()).toMatchObject({ kind: 'graphics', width: Number(size) })
    const { colours, lit } = await look(machine, name)
    expect(colours).toBeGreaterThanOrEqual(2)
    expect(lit).toBeGreaterThan(0.01)
  } finally {
    if (process.env.BOOTWRIGHT_SHOW) console.log(serial().slice(-4000))
    machine.close()
  }
})
