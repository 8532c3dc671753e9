/** The npm package v86, in a process of its own. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { findFirmware } from '../../machine/firmware/find-firmware.js'
import { cpuClock } from './cpu-clock.js'
import {
  type BootJob,
  type BootTime,
  type GuestJob,
  type KernelJob,
  lastScreenLine,
  startGuestProcess,
} from './guest-job.js'
import { MarkWatch, type Measurement } from './marks.js'

/** As much of v86 as is used here; its own declarations hide `screen_adapter`. */
interface V86 {
  add_listener(event: string, listener: (value: number) => void): void
  get_instruction_counter(): number
  screen_adapter: { get_text_screen(): string[] }
}

async function start(job: GuestJob): Promise<V86> {
  const { resolve } = createRequire(import.meta.url)
  const module = (await import(resolve('v86/build/libv86.mjs'))) as { V86: new (options: object) => V86 }
  const { bios, vgaBios } = findFirmware()
  const file = (path: string) => ({ buffer: new Uint8Array(readFileSync(path)).buffer })
  return new module.V86({
    wasm_path: resolve('v86/build/v86.wasm'),
    memory_size: job.memory << 20,
    vga_memory_size: 8 << 20,
    bios: file(bios.path),
    vga_bios: file(vgaBios.path),
    fda: job.floppy ? file(job.floppy) : undefined,
    bzimage: job.kernel ? file(job.kernel) : undefined,
    cmdline: job.append,
    disable_keyboard: true,
    disable_mouse: true,
    disable_speaker: true,
    autostart: true,
    log_level: 0,
  })
}

async function runKernel(job: KernelJob): Promise<Measurement> {
  const emulator = await start(job)
  const watch = new MarkWatch(job, job.cpuTime ? cpuClock(process.pid) : undefined)
  const byte = [0]
  return new Promise((resolve) => {
    let done = false
    emulator.add_listener('serial0-output-byte', (value) => {
      if (done) return
      byte[0] = value
      done = watch.add(byte, performance.now())
      if (done) resolve(watch.result())
    })
  })
}

async function runBoot(job: BootJob): Promise<BootTime> {
  const serial = job.serial === undefined ? undefined : new RegExp(job.serial)
  const screen = job.screen === undefined ? undefined : new RegExp(job.screen)
  const begin = performance.now()
  const emulator = await start(job)
  return new Promise((resolve) => {
    const finish = () =>
      resolve({ seconds: (performance.now() - begin) / 1000, instructions: emulator.get_instruction_counter() >>> 0 })
    let line = ''
    emulator.add_listener('serial0-output-byte', (byte) => {
      if (byte !== 10) line += String.fromCharCode(byte)
      else {
        if (serial?.test(line)) finish()
        line = ''
      }
    })
    if (!screen) return
    setInterval(() => {
      const rows = emulator.screen_adapter.get_text_screen()
      const codes = rows.flatMap((row) => [...row.padEnd(80).slice(0, 80)].map((letter) => letter.charCodeAt(0)))
      if (screen.test(lastScreenLine(codes, 80))) finish()
    }, 100)
  })
}

startGuestProcess({ kernel: runKernel, boot: runBoot })
