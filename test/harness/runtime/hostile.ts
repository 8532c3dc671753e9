/** Guests that want the host to themselves, and what of the host's time they got. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Runner } from '../../../harness/runtime/runner.js'
import { createMachine } from '../../../machine/create-machine.js'
import type { MachineOptions } from '../../../machine/machine.js'
import { MemoryMedium } from '../../../machine/media/memory.js'
import { Random } from '../../random.js'

const SOURCES = fileURLToPath(new URL('./hostile/', import.meta.url))
export const BOOT_SECTORS = readdirSync(SOURCES)
  .filter((file) => file.endsWith('.asm'))
  .map((file) => basename(file, '.asm'))

export interface Overrun {
  outcome: string
  reason: string
  error: string | undefined
  /** What the run took of the host's processor beyond its time-out, ms: a busy host does not count. */
  overrunMs: number
}

export function runSector(name: string, firmware: MachineOptions['firmware'], timeoutMs: number): Overrun {
  const image = join(mkdtempSync(join(tmpdir(), 'bootwright-hostile-')), `${name}.img`)
  execFileSync('nasm', ['-f', 'bin', '-i', SOURCES, '-o', image, join(SOURCES, `${name}.asm`)])
  const floppy = new Uint8Array(737280)
  floppy.set(readFileSync(image))
  return runFor({ firmware, floppies: [new MemoryMedium(floppy)] }, timeoutMs)
}

/** Random bytes as the firmware itself, in real mode, with vectors that lead into them. */
export function runRandom(seed: number, timeoutMs: number): Overrun {
  const random = new Random(seed)
  const bios = Uint8Array.from({ length: 65536 }, () => random.below(256))
  // xor ax, ax; mov ds, ax; mov es, ax; mov ss, ax; mov sp, 7000h; xor di, di; mov cx, 512; mov ax, random; rep stosw
  const start = [0x31, 0xc0, 0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xd0, 0xbc, 0, 0x70, 0x31, 0xff, 0xb9, 0, 2]
  bios.set([...start, 0xb8, random.below(256), 0xf0 | random.below(16), 0xf3, 0xab], 0xe000)
  bios.set([0xea, 0x00, 0xe0, 0x00, 0xf0], 0xfff0)
  return runFor({ firmware: { bios, vgaBios: new Uint8Array(4096) }, floppies: [] }, timeoutMs)
}

function runFor(options: Pick<MachineOptions, 'firmware' | 'floppies'>, timeoutMs: number): Overrun {
  const runner = new Runner((callbacks) =>
    createMachine({ engine: 'soft', memory: 64 << 20, disks: [], ...options, ...callbacks }),
  )
  const before = process.cpuUsage()
  const { outcome, exit, error } = runner.run({
    steps: [{ kind: 'until', condition: { kind: 'exit' } }],
    hostTimeoutMs: timeoutMs,
  })
  const { user, system } = process.cpuUsage(before)
  runner.machine.close()
  return { outcome, reason: exit.reason, error, overrunMs: (user + system) / 1000 - timeoutMs }
}
