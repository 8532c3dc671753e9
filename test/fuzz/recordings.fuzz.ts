/**
 * Recordings as an attacker writes them: events and header changed. A replay ends in time, says where it is no longer
 * the recorded run, and opens and writes nothing that was not recorded with.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openMachine } from '../../harness/config/machine-config.js'
import { RecordedMachine, Recorder, recordableConfig } from '../../harness/runtime/recordings/recorder.js'
import { Replay } from '../../harness/runtime/recordings/replay.js'
import { Runner } from '../../harness/runtime/runner.js'
import { createMachine } from '../../machine/create-machine.js'
import { noFirmware } from '../firmware-here.js'
import { programFloppy } from '../harness/boot-programs.js'
import { answered } from './answers.js'
import { type Fuzzer, FuzzFailure } from './fuzzer.js'
import { mutated, mutatedBytes } from './mutate.js'

interface Base {
  folder: string
  floppy: string
  lines: unknown[]
}

let base: Promise<Base> | undefined

/** A boot sector that gets a few keys, a reset and another floppy. */
async function makeBase(): Promise<Base> {
  const folder = mkdtempSync(join(tmpdir(), 'bootwright-fuzz-'))
  const [floppy, file] = [join(folder, 'echo.img'), join(folder, 'base')]
  writeFileSync(floppy, programFloppy('echo'))
  const config = recordableConfig({ memory: 2 << 20, floppies: [{ path: floppy }] })
  const recorder = await Recorder.begin(file, config)
  const runner = new Runner(
    (callbacks) =>
      openMachine(config, callbacks, (options) => new RecordedMachine(createMachine(options), recorder)).machine,
    {},
  )
  const prompt = { kind: 'serial' as const, port: 0, pattern: { source: '>', flags: '' } }
  const { error } = runner.run({
    steps: [
      { kind: 'until', condition: prompt },
      { kind: 'tap', codes: ['KeyA'] },
      { kind: 'wait', ns: 100e6 },
    ],
    timeoutNs: 20e9,
  })
  if (error !== undefined) throw new Error(error)
  runner.machine.input({ kind: 'mouse', dx: 3, dy: 4, dz: 0, buttons: 1 })
  runner.machine.input({ kind: 'serial', port: 0, bytes: Uint8Array.of(1, 2, 3) })
  runner.machine.insert('floppy0', undefined)
  runner.machine.input({ kind: 'power-button' })
  runner.machine.save()
  runner.machine.input({ kind: 'reset' })
  runner.run({ steps: [{ kind: 'wait', ns: 10e6 }] })
  runner.machine.close()
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
  rmSync(file)
  return { folder, floppy, lines: lines.map((line) => JSON.parse(line) as unknown) }
}

const fuzzer: Fuzzer = {
  name: 'recordings',
  title: 'recordings that were changed are replayed or refused in a sentence',
  dose: 30,
  skip: () => noFirmware,
  async run(random) {
    base ??= makeBase()
    const { folder, floppy, lines } = await base
    const [header, ...events] = lines
    // Events weigh more: a header seldom passes.
    const changed = random.chance(4) ? [mutated(header, random), ...events] : [header, mutated(events, random)].flat()
    const text = `${changed.map((line) => JSON.stringify(line)).join('\n')}\n`
    const bytes = random.chance(4) ? mutatedBytes(Buffer.from(text), random, 2) : Buffer.from(text)
    const file = join(folder, 'case')
    writeFileSync(file, bytes)
    await answered(
      async () => {
        const replay = await Replay.open(file)
        try {
          replay.runTo(Number.POSITIVE_INFINITY)
          replay.machine.display.frame()
        } finally {
          replay.close()
        }
      },
      () => bytes.toString(),
    )
    if (!readFileSync(floppy).equals(Buffer.from(programFloppy('echo'))))
      throw new FuzzFailure('the floppy was written', bytes.toString())
    const left = readdirSync(folder).filter((name) => !['case', 'echo.img'].includes(name))
    if (left.length > 0) throw new FuzzFailure(`${left} was made`, bytes.toString())
  },
  async close() {
    if (base) rmSync((await base).folder, { recursive: true })
    base = undefined
  },
}

export default fuzzer
