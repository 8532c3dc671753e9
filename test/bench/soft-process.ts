/**
 * Bootwright's soft engine, in a process of its own so that no run finds another's compiled code. The machine is that of
 * dist/, as users run it; only the bench around it runs from its sources.
 */
import { readFileSync } from 'node:fs'
import type * as PcModule from '../../machine/create-machine.js'
import { findFirmware } from '../../machine/firmware/find-firmware.js'
import type { Machine, MachineOptions } from '../../machine/machine.js'
import { MemoryMedium } from '../../machine/media/memory.js'
import type * as OverlayModule from '../../machine/media/overlay.js'
import { cpuClock } from './cpu-clock.js'
import {
  type BootJob,
  type BootTime,
  type GuestJob,
  type KernelJob,
  ScreenSteps,
  SerialText,
  screenText,
  shows,
  startGuestProcess,
} from './guest-job.js'
import { MarkWatch, type Measurement } from './marks.js'

const built = async <Module>(path: string) =>
  (await import(new URL(`../../dist/machine/${path}`, import.meta.url).href)) as Module
const { createMachine } = await built<typeof PcModule>('create-machine.js')
const { Overlay } = await built<typeof OverlayModule>('media/overlay.js')

/** Guest ns between looks at the host's clock or the screen. */
const SLICE = 10e6

function machineOptions(job: GuestJob): MachineOptions {
  const { bios, vgaBios } = findFirmware()
  const read = (path: string) => new Uint8Array(readFileSync(path))
  return {
    engine: 'soft',
    memory: job.memory << 20,
    floppies: job.floppy ? [new Overlay(new MemoryMedium(read(job.floppy)))] : [],
    disks: [],
    kernel: job.kernel
      ? {
          image: read(job.kernel),
          name: 'kernel',
          append: job.append,
          initrd: job.initrd ? read(job.initrd) : undefined,
        }
      : undefined,
    firmware: { bios: read(bios.path), vgaBios: read(vgaBios.path) },
  }
}

async function runKernel(job: KernelJob): Promise<Measurement> {
  const watch = new MarkWatch(job, job.cpuTime ? cpuClock(process.pid) : undefined)
  const byte = [0]
  let done = false
  let passesFrom = 0
  let instructionsFrom = 0
  let instructionsTo = 0
  let marks = 0
  const pc = createMachine({
    ...machineOptions(job),
    onDebug: (value) => {
      if (value < 0x80 || done) return
      byte[0] = value
      marks++
      done = watch.add(byte, performance.now())
      if (watch.measuring) {
        instructionsTo = pc.instructions()
        if (instructionsFrom === 0) {
          instructionsFrom = instructionsTo
          passesFrom = marks
        }
      }
      if (done) pc.requestStop()
    },
  })
  while (!done) {
    const exit = pc.run(pc.now() + SLICE)
    if (exit) throw new Error(`the kernel ended with ${exit.reason}: ${exit.detail ?? ''}`)
  }
  return { ...watch.result(), counted: (instructionsTo - instructionsFrom) / (marks - passesFrom) }
}

async function runBoot(job: BootJob): Promise<BootTime> {
  const serial = job.serial === undefined ? undefined : new SerialText(new RegExp(job.serial))
  let reached = false
  let start = performance.now()
  const machine = createMachine({
    ...machineOptions(job),
    onSerial: (port, byte) => {
      if (port !== 0 || !serial || reached) return
      reached = serial.add(String.fromCharCode(byte))
      if (reached) machine.requestStop()
    },
  })
  const runUntil = (time: number) => {
    const exit = machine.run(time)
    if (exit && exit.reason !== 'reset' && !reached)
      throw new Error(`it ended with ${exit.reason}: ${exit.detail ?? ''}`)
  }
  const steps = new ScreenSteps(job, () => {
    machine.input({ kind: 'key', code: 'Enter', down: true })
    machine.input({ kind: 'key', code: 'Enter', down: false })
  })
  let generation = -1
  while (!reached) {
    runUntil(machine.now() + SLICE)
    if (serial || machine.display.generation() === generation) continue
    generation = machine.display.generation()
    const text = machine.display.text()
    const codes = text?.cells.map(({ code }) => code) ?? []
    reached = steps.look(screenText(codes, text?.columns ?? 80))
    if (reached && job.picture)
      reached = machine.display.mode().kind === 'graphics' && shows(machine.display.frame(), job.picture)
  }
  if (job.breakpoint) arm(machine)
  if (job.idle !== undefined) {
    start = performance.now()
    // In pieces, as the harness runs a guest.
    for (const end = machine.now() + job.idle * 1e9; machine.now() < end; ) runUntil(machine.now() + SLICE)
  }
  return { seconds: (performance.now() - start) / 1000, instructions: machine.instructions() }
}

/** DR0 and DR7 of the first CPU: an execution breakpoint in the ROM area that no guest enters. */
function arm(machine: Machine): void {
  const state = machine.save()
  const [cpu] = state.cpus
  cpu.dr[0] = 0xdfff0n
  cpu.dr[5] = 0x402n // DR7: G0
  machine.load(state)
}

startGuestProcess({ kernel: runKernel, boot: runBoot })
