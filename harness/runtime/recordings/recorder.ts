/**
 * Records what comes to a machine from outside, and when: JSON lines that `replay.ts` gives to another machine at the
 * very same instructions. Guest time is a function of the guest's program on the soft engine alone, so it takes that
 * one. Hashes of the whole machine on the way tell whether a replay is still the same run.
 */

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { UsageError } from '../../../machine/errors.js'
import { OutputFile, UnwritableFile } from '../../../machine/host/output-file.js'
import type { InputEvent } from '../../../machine/input.js'
import type { Machine, MachineExit } from '../../../machine/machine.js'
import type { BlockDevice } from '../../../machine/media/block-device.js'
import type { RemovableDrive } from '../../../machine/media/drive-id.js'
import type { NetworkContents } from '../../../machine/network/contents.js'
import type { MachineState } from '../../../machine/state/machine-state.js'
import { SnapshotError } from '../../../machine/state/snapshot-error.js'
import { driveMedia, type MachineConfig } from '../../config/machine-config.js'
import { absolute, type InputFile, inputsOf } from '../../thread/snapshot-files.js'
import { WrappedMachine } from '../wrapped-machine.js'

export const RECORDING_VERSION = 2
/** Instructions between two hashes. */
const CHECKPOINT = 500_000_000

type Ask = NonNullable<NetworkContents['ask']>

/** The first line. */
export interface RecordingHeader {
  recording: 'bootwright'
  version: number
  config: MachineConfig
  inputs: InputFile[]
}

/** One line each; `at` is guest time in ns, `instructions` the count then. */
export type Recorded = { at: number; instructions: number } & Happening

type Happening =
  | { do: 'input'; event: RecordedInput }
  | { do: 'save' }
  /** Of a function of the test's, to the request of that number; `body` in base64. */
  | { do: 'answer'; number: number; status: number; headers: { [name: string]: string }; body: string }
  /** Without a path, what is in the drive is taken out. */
  | { do: 'insert'; drive: RemovableDrive; path?: string; sha256?: string }
  | { do: 'checkpoint' | 'end'; hash: string }

/** As JSON has it: bytes are a list of numbers. */
export type RecordedInput = AsJson<InputEvent>
type AsJson<T> = T extends { bytes: Uint8Array } ? Omit<T, 'bytes'> & { bytes: number[] } : T

function recorded(event: InputEvent): RecordedInput {
  return 'bytes' in event ? { ...event, bytes: [...event.bytes] } : event
}

export function played(event: RecordedInput): InputEvent {
  return 'bytes' in event ? { ...event, bytes: Uint8Array.from(event.bytes) } : event
}

/** Recordings that cannot be made or replayed. One sentence. */
export class RecordingError extends UsageError {
  override readonly name = 'RecordingError'
}

/** What a recorded machine is made of: `auto` is the soft engine then. Throws a RecordingError. */
export function recordableConfig(config: MachineConfig): MachineConfig {
  const { record: _, ...rest } = absolute(config)
  if (rest.engine === 'kvm')
    throw new RecordingError(
      'a machine on the kvm engine cannot be recorded: its time is the host\'s, so no run is like another; take "soft"',
    )
  const written = [...(rest.floppies ?? []), ...(rest.disks ?? [])].find((medium) => medium.write)
  if (written)
    throw new RecordingError(`${JSON.stringify(written.path)} is written in place and would differ; leave out "write"`)
  return { ...rest, engine: 'soft' }
}

export class Recorder {
  private isOpen = true

  private constructor(private readonly file: OutputFile) {}

  /** Throws a RecordingError where the file cannot be written, a SnapshotError where a medium cannot be read. */
  static async begin(path: string, config: MachineConfig): Promise<Recorder> {
    const inputs = await inputsOf(config, driveMedia(config))
    const header: RecordingHeader = { recording: 'bootwright', version: RECORDING_VERSION, config, inputs }
    let recorder: Recorder
    try {
      recorder = new Recorder(OutputFile.growing(path))
    } catch (error) {
      throw error instanceof UnwritableFile ? new RecordingError(`the recording ${error.message}`) : error
    }
    recorder.line(header)
    return recorder
  }

  line(value: RecordingHeader | Recorded): void {
    if (this.isOpen) this.file.write(Buffer.from(`${JSON.stringify(value)}\n`))
  }

  /** Asks, and writes down what the answer is. */
  asking(ask: Ask, machine: () => Machine): Ask {
    return (name, question) => {
      const answer = ask(name, question)
      const { status, headers, body } = answer
      this.line({
        ...{ at: machine().now(), instructions: machine().instructions(), do: 'answer', number: question.number },
        ...{ status, headers, body: Buffer.from(body).toString('base64') },
      })
      return answer
    }
  }

  close(): void {
    if (this.isOpen) this.file.finish()
    this.isOpen = false
  }
}

/**
 * A machine whose inputs are written down. Looking on with a debugger changes nothing; whoever would change something is
 * told that it cannot be (`stop-points.ts`).
 */
export class RecordedMachine extends WrappedMachine {
  private nextCheckpoint = CHECKPOINT

  constructor(
    protected readonly machine: Machine,
    private readonly recorder: Recorder,
  ) {
    super()
  }

  override run(until: number, hostEnd?: number): MachineExit | undefined {
    const exit = this.machine.run(until, hostEnd)
    // A hash has the CPU forget translations: not at a moment that the host's clock chose.
    const chosen = exit !== undefined || this.machine.now() >= until
    if (chosen && this.machine.instructions() >= this.nextCheckpoint) {
      this.nextCheckpoint = this.machine.instructions() + CHECKPOINT
      this.note({ do: 'checkpoint', hash: this.machine.fingerprint() })
    }
    return exit
  }

  override input(event: InputEvent): void {
    this.note({ do: 'input', event: recorded(event) })
    this.machine.input(event)
  }

  override insert(drive: RemovableDrive, medium: BlockDevice | undefined): void {
    this.note({ do: 'insert', drive, ...identity(medium) })
    this.machine.insert(drive, medium)
  }

  /** Saving drops the CPU's translations, so a replay does it too. */
  override save(): MachineState {
    this.note({ do: 'save' })
    return this.machine.save()
  }

  override load(): never {
    throw new SnapshotError(
      'a machine that is being recorded cannot go back to a snapshot; record a machine that starts anew',
    )
  }

  override fingerprint(): string {
    this.note({ do: 'save' })
    return this.machine.fingerprint()
  }

  override close(): void {
    this.note({ do: 'end', hash: this.machine.fingerprint() })
    this.recorder.close()
    this.machine.close()
  }

  private note(happening: Happening): void {
    const { machine } = this
    this.recorder.line({ at: machine.now(), instructions: machine.instructions(), ...happening })
  }
}

/** The file behind a medium. */
function identity(medium: BlockDevice | undefined): { path?: string; sha256?: string } {
  let device = medium as (BlockDevice & { path?: string; base?: BlockDevice }) | undefined
  while (device && device.path === undefined) device = device.base as typeof device
  if (device?.path === undefined) return {}
  return { path: device.path, sha256: createHash('sha256').update(readFileSync(device.path)).digest('hex') }
}
