/** Real guests, with the JIT off, as usual, and at threshold 1: the same hash of the machine at every checkpoint. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'vitest'
import { findMedium, packageFile } from '../../harness/guest/guest-media.js'
import { MemoryMedium } from '../../machine/media/memory.js'
import { Overlay } from '../../machine/media/overlay.js'
import { firmwareNote, noFirmware } from '../firmware-here.js'
import { expectTheSame } from './jit-machines.js'

const MINUTES = 60_000
const images = process.env.BOOTWRIGHT_IMAGES ?? ''
const LINUX = packageFile(
  'debian-installer-12-netboot-i386',
  '/usr/lib/debian-installer/images/12/i386/text/debian-installer/i386/linux',
)

describe.skipIf(noFirmware)(`real guests${firmwareNote}`, () => {
  test.each(['freedos722.img', 'elks-fd1440.img', 'kolibri.img', 'openbsd-floppy.img'])(
    '%s, ten guest seconds',
    { timeout: 20 * MINUTES },
    (name) => {
      const file = join(images, name)
      if (!existsSync(file)) return
      const bytes = new Uint8Array(readFileSync(file))
      const shape = () => ({ memory: 128 << 20, floppies: [new Overlay(new MemoryMedium(bytes))] })
      expectTheSame(shape, ['off', '1', '500'], 10_000, 500)
    },
  )

  test("Debian's i386 kernel, thirty guest seconds", { timeout: 20 * MINUTES }, async () => {
    const image = new Uint8Array(readFileSync(await findMedium(LINUX)))
    const kernel = { image, name: 'kernel', append: 'console=ttyS0,115200 nomodeset' }
    expectTheSame(() => ({ memory: 512 << 20, kernel }), ['off', '500'], 30_000, 1000)
  })
})
