/** Real guests, saved at many moments of their boot and gone on with in a machine just made. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { createMachine } from '../../machine/create-machine.js'
import { findFirmware } from '../../machine/firmware/find-firmware.js'
import type { Machine } from '../../machine/machine.js'
import { openMedium } from '../../machine/media/open-medium.js'
import { differences, hashState } from '../../machine/state/compare.js'
import { closeLayer } from '../../machine/state/memory-image.js'

const images = process.env.BOOTWRIGHT_IMAGES ?? ''
/** Guest seconds: firmware, boot sector by floppy DMA, kernel, desktop or prompt. */
const MOMENTS = [0.2, 0.7, 1.1, 1.3, 1.5, 1.9, 2.4, 3, 4, 5, 6.5, 8, 10]
const FURTHER = 0.3e9

function machine(floppy: string): Machine {
  const { bios, vgaBios } = findFirmware()
  return createMachine({
    engine: 'soft',
    memory: 64 << 20,
    floppies: [openMedium(floppy, { as: 'floppy' }).device],
    disks: [],
    firmware: { bios: readFileSync(bios.path), vgaBios: readFileSync(vgaBios.path) },
  })
}

function runTo(pc: Machine, ns: number): void {
  while (pc.now() < ns && pc.run(ns)?.reason !== 'halted');
}

describe.each(['freedos13-floppy.img', 'kolibri.img', 'openbsd-floppy.img', 'elks-fd1440.img'])('%s', (name) => {
  const floppy = join(images, name)

  test.skipIf(images === '' || !existsSync(floppy))('goes on alike from each moment', { timeout: 1_800_000 }, () => {
    const pc = machine(floppy)
    for (const seconds of MOMENTS) {
      runTo(pc, seconds * 1e9)
      const copy = machine(floppy)
      const saved = pc.save()
      copy.load(structuredClone(saved))
      const end = pc.now() + FURTHER
      runTo(pc, end)
      runTo(copy, end)
      const [one, other] = [pc.save(), copy.save()]
      expect(differences(one, other), `saved at ${seconds} s`).toEqual([])
      expect(hashState(other)).toBe(hashState(one))
      expect(Buffer.compare(copy.display.frame().data, pc.display.frame().data)).toBe(0)
      copy.close()
      const kept = new Set(one.memory.layers)
      for (const layer of new Set([...saved.memory.layers, ...other.memory.layers]))
        if (!kept.has(layer) && ![...kept].some(({ fd }) => fd === layer.fd)) closeLayer(layer)
    }
    pc.close()
  })
})
