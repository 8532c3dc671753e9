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
  ScreenSteps,
  SerialText,
  screenText,
  startGuestProcess,
} from './guest-job.js'
import { MarkWatch, type Measurement } from './marks.js'

/** Pressed and released, in set 1. */
const ENTER = [0x1c, 0x9c]
/** Host ms between looks at the screen, as with QEMU. */
const LOOK_INTERVAL = 50

/** As much of v86 as is used here; its own declarations hide `screen_adapter`. */
interface V86 {
  add_listener(event: string, listener: (value: number) => void): void
  get_instruction_counter(): number
  keyboard_send_scancodes(codes: number[]): void
  /** Not there at once. */
  screen_adapter?: { get_text_screen(): string[] }
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
    initrd: job.initrd ? file(job.initrd) : undefined,
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
  const serial = job.serial === undefined ? undefined : new SerialText(new RegExp(job.serial))
  const begin = performance.now()
  const emulator = await start(job)
  return new Promise((resolve) => {
    const finish = () =>
      resolve({ seconds: (performance.now() - begin) / 1000, instructions: emulator.get_instruction_counter() >>> 0 })
    if (serial) {
      emulator.add_listener('serial0-output-byte', (byte) => {
        if (serial.add(String.fromCharCode(byte))) finish()
      })
      return
    }
    const steps = new ScreenSteps(job, () => emulator.keyboard_send_scancodes(ENTER))
    setInterval(() => {
      const rows = emulator.screen_adapter?.get_text_screen()
      if (!rows) return
      const codes = rows.flatMap((row) => [...row.padEnd(80).slice(0, 80)].map((letter) => letter.charCodeAt(0)))
      if (steps.look(screenText(codes, 80))) finish()
    }, LOOK_INTERVAL)
  })
}

startGuestProcess({ kernel: runKernel, boot: runBoot })
