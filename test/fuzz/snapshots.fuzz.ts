/**
 * Snapshot files as an attacker writes them: the header, the state or the changes of media are other ones, and the
 * checksum is mended. Whatever they say,
 * loading one and running on ends in time and is an answer, nothing is written, and no file is named that the user did
 * not name.
 */
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { deflateSync, inflateSync } from 'node:zlib'
import {
  changeMedia,
  type MachineConfig,
  type OpenedMachine,
  openMachine,
} from '../../harness/config/machine-config.js'
import { Runner } from '../../harness/runtime/runner.js'
import { readSnapshot, snapshotConfig, writeSnapshot } from '../../harness/thread/snapshot-files.js'
import { createMachine } from '../../machine/create-machine.js'
import type { State, StateValue } from '../../machine/device.js'
import { BlankMedium } from '../../machine/media/blank.js'
import { Overlay } from '../../machine/media/overlay.js'
import { decodeState, encodeState } from '../../machine/state/encode.js'
import { closeLayer } from '../../machine/state/memory-image.js'
import { closeMedia } from '../../machine/state/snapshot-media.js'
import { noFirmware } from '../firmware-here.js'
import { programFloppy } from '../harness/boot-programs.js'
import type { Random } from '../random.js'
import { answered } from './answers.js'
import { type Fuzzer, FuzzFailure } from './fuzzer.js'
import { mutated } from './mutate.js'

const [HEADER, STATE, END, CHANGES] = [1, 2, 4, 5]
const MAGIC_AND_VERSION = 'bootwright snapshot\n'.length + 4

interface Base {
  folder: string
  start: Buffer
  records: { kind: number; bytes: Buffer }[]
  media: readonly [path: string, contents: Buffer][]
}

let base: Promise<Base> | undefined

function start(config: MachineConfig): { opened: OpenedMachine; runner: Runner } {
  let opened!: OpenedMachine
  const runner = new Runner((callbacks) => {
    opened = openMachine(config, callbacks, createMachine)
    return opened.machine
  }, {})
  return { opened, runner }
}

/** A PC with a floppy and a disk at a prompt. */
async function makeBase(): Promise<Base> {
  const folder = mkdtempSync(join(tmpdir(), 'bootwright-fuzz-'))
  const [floppy, disk, file] = ['echo.img', 'disk.img', 'base'].map((name) => join(folder, name))
  writeFileSync(floppy, programFloppy('echo'))
  writeFileSync(disk, Buffer.alloc(1 << 20))
  const config = { engine: 'soft' as const, memory: 4 << 20, floppies: [{ path: floppy }], disks: [{ path: disk }] }
  const { opened, runner } = start(config)
  const prompt = { kind: 'serial' as const, port: 0, pattern: { source: '>', flags: '' } }
  const { error } = runner.run({ steps: [{ kind: 'until', condition: prompt }], timeoutNs: 20e9 })
  if (error !== undefined) throw new Error(error)
  const state = opened.machine.save()
  const changes = new Overlay(new BlankMedium(1 << 20))
  for (const at of [0, 40_000, 1_000_000]) changes.write(at, Uint8Array.of(at))
  state.media.disk0 = changes.freeze()
  await writeSnapshot({ state, runner: runner.save(), config, media: opened.media }, file)
  state.memory.layers.forEach(closeLayer)
  opened.close()
  // What is refused as it is would find nothing.
  await tryOut(file)
  const bytes = readFileSync(file)
  rmSync(file)
  const records: Base['records'] = []
  for (let at = MAGIC_AND_VERSION; at < bytes.length; ) {
    const length = bytes.readUInt32LE(at + 4)
    records.push({ kind: bytes.readUInt32LE(at), bytes: bytes.subarray(at + 8, at + 8 + length) })
    at += 8 + length
  }
  const media = [floppy, disk].map((path): [string, Buffer] => [path, readFileSync(path)])
  return { folder, start: bytes.subarray(0, MAGIC_AND_VERSION), records, media }
}

function fileOf({ start, records }: Base, changed: ReadonlyMap<number, Buffer>): Buffer {
  const parts = [start]
  const hash = createHash('sha256')
  for (const { kind, bytes } of records) {
    const last = kind === END
    if (last) for (const part of parts) hash.update(part)
    const contents = last ? hash.digest() : (changed.get(kind) ?? bytes)
    const head = Buffer.alloc(8)
    head.writeUInt32LE(kind)
    head.writeUInt32LE(contents.length, 4)
    parts.push(head, contents)
  }
  return Buffer.concat(parts)
}

function record({ records }: Base, kind: number): Buffer {
  return inflateSync(records.find((one) => one.kind === kind)?.bytes ?? Buffer.alloc(0))
}

/** What an attacker would try first. */
function attack(header: { extra: { [part: string]: State } }, random: Random, folder: string): void {
  const { config, media } = header.extra
  const target = join(folder, 'overwritten')
  switch (random.below(5)) {
    case 0:
      config.record = target
      break
    case 1:
      for (const disk of config.disks as State[]) disk.write = true
      break
    case 2:
      config.firmware = { bios: random.pick(['/dev/zero', target, '/etc/passwd']), vgaBios: '/dev/zero' }
      break
    case 3:
      media.cdrom = { path: random.pick(['/dev/zero', '/etc/passwd', folder]), write: true }
      break
    default:
      header.extra.inputs = [] as unknown as State
      ;(config.disks as State[])[0].write = true
  }
}

async function tryOut(file: string): Promise<void> {
  const here = await snapshotConfig(file)
  const { opened, runner } = start(here.config)
  try {
    const { parts } = await readSnapshot(file, here.config, here.media)
    try {
      changeMedia(opened, parts.media)
      opened.machine.load(parts.state)
      runner.load(parts.runner)
      const script = {
        steps: [
          { kind: 'tap' as const, codes: ['KeyA'] },
          { kind: 'wait' as const, ns: 50e6 },
        ],
      }
      runner.run({ ...script, hostTimeoutMs: 2000, timeoutNs: 5e9 })
      opened.machine.display.frame()
      runner.look()
      const again = opened.machine.save()
      again.memory.layers.forEach(closeLayer)
    } finally {
      closeMedia(parts.state.media)
      parts.state.memory.layers.forEach(closeLayer)
    }
  } finally {
    opened.close()
  }
}

const fuzzer: Fuzzer = {
  name: 'snapshots',
  title: 'snapshot files with mended checksums are loaded or refused in a sentence',
  dose: 16,
  skip: () => noFirmware,
  async run(random) {
    base ??= makeBase()
    const { folder, media } = await base
    const made = await base
    const changed = new Map<number, Buffer>()
    let what: string
    if (random.chance(5)) {
      const bytes = Buffer.from(record(made, CHANGES))
      // A number in front, then each cluster's.
      const at = random.pick([0, 4, 8 + 16384, random.below(bytes.length - 4)])
      bytes.writeUInt32LE(random.pick([0, 1, 2, 63, 64, 0xffff_ffff, random.below(2 ** 32)]), at)
      const short = bytes.subarray(0, random.chance(3) ? random.below(bytes.length) : bytes.length)
      what = `${short.length} bytes of changes, other at ${at}`
      changed.set(CHANGES, deflateSync(short))
    } else if (random.chance(2)) {
      let header = JSON.parse(record(made, HEADER).toString())
      if (random.chance(4)) attack(header, random, folder)
      else header = mutated(header, random)
      what = JSON.stringify(header) ?? ''
      changed.set(HEADER, deflateSync(what))
    } else {
      const state = mutated(decodeState(record(made, STATE)) as State, random, { state: true })
      const bytes = encodeState(state as StateValue)
      what = `the state of ${bytes.length} bytes`
      changed.set(STATE, deflateSync(bytes))
    }
    const file = join(folder, 'case')
    writeFileSync(file, fileOf(made, changed))
    await answered(
      () => tryOut(file),
      () => what,
    )
    for (const [path, contents] of media)
      if (!readFileSync(path).equals(contents)) throw new FuzzFailure(`${path} was written`, what)
    const left = readdirSync(folder).filter((name) => !['case', 'echo.img', 'disk.img'].includes(name))
    if (left.length > 0) throw new FuzzFailure(`${left} was made`, what)
  },
  async close() {
    if (base) rmSync((await base).folder, { recursive: true })
    base = undefined
  },
}

export default fuzzer
