/** The same run again: a machine that is given what a recording says, at the very instructions at which it came. */
import { createHash } from 'node:crypto'
import * as z from 'zod'
import { createMachine } from '../../../machine/create-machine.js'
import type { Machine } from '../../../machine/machine.js'
import { driveWords, REMOVABLE_DRIVES } from '../../../machine/media/drive-id.js'
import { readRegular } from '../../../machine/media/regular-file.js'
import type { NetworkContents } from '../../../machine/network/contents.js'
import { STREAM_CREDIT } from '../../../machine/network/outside.js'
import { LONGEST_FRAME } from '../../../machine/network/port.js'
import { MOST_MEMBERS } from '../../../machine/network/trunk.js'
import { LAST_NS } from '../../../machine/state/fields.js'
import type { MachineState } from '../../../machine/state/machine-state.js'
import { closeLayer, type MemoryLayer } from '../../../machine/state/memory-image.js'
import { driveMedia, type OpenedMachine, openMachine } from '../../config/machine-config.js'
import { SavedConfig, SavedInputs } from '../../config/saved-config.js'
import { checkInputs, hostFirmware, inputsOf, isFirmwareHere } from '../../thread/snapshot-files.js'
import {
  played,
  RECORDING_VERSION,
  type Recorded,
  type RecordedInput,
  RecordingError,
  type RecordingHeader,
} from './recorder.js'

export interface Recording {
  header: RecordingHeader
  events: Recorded[]
}

/** Throws a RecordingError that says what is wrong with the file. A last line that is cut off is left out. */
export function readRecording(path: string): Recording {
  const name = JSON.stringify(path)
  let lines: string[]
  try {
    lines = readRegular(path, LARGEST).toString('utf8').split('\n')
  } catch (error) {
    throw new RecordingError(`the recording ${name} ${(error as Error).message}`)
  }
  lines.pop()
  const parse = (line: string | undefined, number: number) => {
    try {
      return JSON.parse(line ?? '') as unknown
    } catch {
      throw new RecordingError(`${name} is no recording of bootwright: line ${number} is not JSON; name another file`)
    }
  }
  const header = parse(lines[0], 1) as RecordingHeader
  if (header?.recording !== 'bootwright')
    throw new RecordingError(`${name} is no recording of bootwright; name a file that "run --record" wrote`)
  if (header.version !== RECORDING_VERSION)
    throw new RecordingError(
      `the recording ${name} has version ${header.version}, this bootwright replays ${RECORDING_VERSION}; replay it with the one that made it`,
    )
  const damaged = (line: number, { issues: [{ path: where, message }] }: z.ZodError) =>
    new RecordingError(
      `the recording ${name} is damaged in line ${line} (${where.join('.')}: ${message}); copy it again`,
    )
  const checked = Header.safeParse(header)
  if (!checked.success) throw damaged(1, checked.error)
  let before = { at: 0, instructions: 0 }
  const events = lines.slice(1).map((line, i) => {
    const event = Event.safeParse(parse(line, i + 2))
    if (!event.success) throw damaged(i + 2, event.error)
    const { at, instructions } = event.data
    if (at < before.at || instructions < before.instructions)
      throw new RecordingError(
        `the recording ${name} is damaged in line ${i + 2} (it goes back in time); copy it again`,
      )
    before = { at, instructions }
    return event.data as Recorded
  })
  return { header: checked.data as RecordingHeader, events }
}

/** Bytes; a string of JavaScript is not longer. */
const LARGEST = 500 << 20

const Header = z.object({
  recording: z.literal('bootwright'),
  version: z.literal(RECORDING_VERSION),
  config: SavedConfig.transform((config) => ({ ...config, engine: 'soft' as const })),
  inputs: SavedInputs,
})

const At = { at: z.number().min(0).max(LAST_NS), instructions: z.int().min(0) }
const Counts = z
  .int()
  .min(-(2 ** 31))
  .max(2 ** 31)
/** In base64. */
const LARGEST_ANSWER = 32 << 20
const Hash = z.string().regex(/^[\da-f]{64}$/)

const Bytes = z.array(z.int().min(0).max(255))
const Member = z
  .int()
  .min(0)
  .max(MOST_MEMBERS - 1)

const LONGEST_DATAGRAM = 65535
const Stream = z.int().min(0)
const Port = z.int().min(0).max(65535)
const Address = z.union([z.ipv4(), z.ipv6()])
const Words = z.string().max(4096)
const Mac = z.string().regex(/^[\da-f]{2}(:[\da-f]{2}){5}$/)
const Macs = z.array(Mac).max(32)
const Ends = { mac: Mac, guest: Address, far: Address }

const Input = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('key'), code: z.string().max(64), down: z.boolean() }),
  z.object({ kind: z.literal('mouse'), dx: Counts, dy: Counts, dz: Counts, buttons: z.int().min(0).max(31) }),
  z.object({ kind: z.literal('serial'), port: z.int().min(0).max(3), bytes: Bytes }),
  z.object({ kind: z.enum(['power-button', 'reset', 'nmi']) }),
  z.object({ kind: z.literal('link'), nic: z.string().max(64), up: z.boolean() }),
  z.object({ kind: z.literal('frame'), from: Member, bytes: Bytes.max(LONGEST_FRAME), time: At.at }),
  z.object({ kind: z.literal('cut'), members: z.array(Member).max(MOST_MEMBERS) }),
  z.object({ kind: z.literal('dial'), stream: Stream, port: Port, guest: Address.optional(), macs: Macs.optional() }),
  z.object({ kind: z.enum(['stream-answered', 'stream-ended']), stream: Stream }),
  z.object({ kind: z.literal('stream-data'), stream: Stream, bytes: Bytes.max(STREAM_CREDIT) }),
  z.object({ kind: z.literal('stream-taken'), stream: Stream, count: z.int().min(0).max(LARGEST) }),
  z.object({ kind: z.literal('stream-gone'), stream: Stream, why: z.string().max(4096) }),
  z.object({ kind: z.literal('outside-gone') }),
  z.object({ kind: z.literal('outside-note'), guest: z.string().max(64), what: Words, result: Words }),
  z.object({ kind: z.literal('udp-in'), ...Ends, guestPort: Port, farPort: Port, bytes: Bytes.max(LONGEST_DATAGRAM) }),
  z.object({
    ...{ kind: z.literal('udp-forward'), guest: Address.optional(), guestPort: Port, farPort: Port },
    bytes: Bytes.max(LONGEST_DATAGRAM),
  }),
  z.object({ kind: z.literal('echo-in'), ...Ends, bytes: Bytes.max(LONGEST_DATAGRAM) }),
]) satisfies z.ZodType<RecordedInput>

const Event = z.discriminatedUnion('do', [
  z.object({ do: z.literal('input'), ...At, event: Input }),
  z.object({ do: z.literal('save'), ...At }),
  z.object({
    do: z.literal('answer'),
    ...At,
    number: z.int().min(1),
    status: z.int(),
    headers: z.record(z.string().max(256), z.string().max(1 << 16)),
    body: z.base64().max(LARGEST_ANSWER),
  }),
  z.object({
    do: z.literal('insert'),
    ...At,
    drive: z.enum(REMOVABLE_DRIVES),
    path: z.string().optional(),
    sha256: Hash.optional(),
  }),
  z.object({ do: z.enum(['checkpoint', 'end']), ...At, hash: Hash }),
])

/** Guest time between two looks at whether the run is still the recorded one, ns. */
const SLICE = 100e6

/** Throws a RecordingError. */
function contentsOf(path: string): Buffer {
  try {
    return readRegular(path, 2 ** 31 - 1)
  } catch (error) {
    throw new RecordingError(`${JSON.stringify(path)}, which was put into a drive, ${(error as Error).message}`)
  }
}

export class Replay {
  readonly machine: Machine
  /** Hashes that were compared and found equal. */
  verified = 0
  private next = 0
  /** States at the checkpoints that were passed, to go back to. */
  private readonly states: { next: number; verified: number; state: MachineState }[] = []
  private readonly layers = new Set<Pick<MemoryLayer, 'fd'>>()
  /** The machine has stopped by itself for good. */
  private over = false

  private constructor(
    private readonly opened: OpenedMachine,
    private readonly events: readonly Recorded[],
  ) {
    this.machine = opened.machine
    this.keep()
  }

  /** `create` is another one in tests. Throws a RecordingError, or a SnapshotError where a medium is not the one that was recorded with. */
  static async open(path: string, create = createMachine): Promise<Replay> {
    const { header, events } = readRecording(path)
    const config = { ...header.config }
    if (config.firmware && !isFirmwareHere(config.firmware)) config.firmware = hostFirmware(config.firmware)
    const inputs = await inputsOf(config, driveMedia(config))
    checkInputs(header.inputs, inputs, `the recording ${JSON.stringify(path)}`)
    const answers = new Map(events.flatMap((event) => (event.do === 'answer' ? [[event.number, event] as const] : [])))
    const ask: NetworkContents['ask'] = (_, { number }) => {
      const known = answers.get(number)
      if (!known) return { status: 503, headers: {}, body: new Uint8Array() }
      return { status: known.status, headers: known.headers, body: Buffer.from(known.body, 'base64') }
    }
    return new Replay(openMachine(config, { ask }, create), events)
  }

  /** Guest time at which the recording ends, ns. */
  get end(): number {
    return this.events.at(-1)?.at ?? 0
  }

  /** Guest time of what comes next from outside, ns. */
  get nextAt(): number {
    return this.events[this.next]?.at ?? Number.POSITIVE_INFINITY
  }

  /**
   * Runs to the guest time `until`, ns, but not past the recording's end; to an earlier one from the last checkpoint
   * before it; to a breakpoint that was set. Throws a RecordingError where the run is no longer the one that was recorded.
   */
  runTo(until: number): void {
    if (until < this.machine.now()) this.goBack(until)
    const end = Math.min(until, this.end)
    while (!this.machine.debugTarget?.stopped) {
      const event = this.events[this.next]
      if (event && event.at <= this.machine.now()) {
        if (event.at > end) return
        this.next++
        this.apply(event)
      } else if (this.over || this.machine.now() >= end) return
      else this.advance(Math.min(end, event?.at ?? end))
    }
  }

  close(): void {
    this.opened.close()
    for (const layer of this.layers) closeLayer(layer)
    this.layers.clear()
  }

  private advance(until: number): void {
    const { machine } = this
    const exit = machine.run(Math.min(until, machine.now() + SLICE))
    const next = this.events[this.next]
    // A recording whose times are wrong would have the machine run for days.
    if (next && machine.instructions() > next.instructions)
      this.diverged(next, `it is at instruction ${machine.instructions()} before that time`)
    const final = exit && ['poweroff', 'halted', 'suspended', 'failure'].includes(exit.action ?? exit.reason)
    if (final && machine.now() < until) {
      const awaited = this.events[this.next]
      if (awaited) this.diverged(awaited, `the machine stopped (${exit.reason})`)
      this.over = true
    }
  }

  private apply(event: Recorded): void {
    const { machine } = this
    // The machine has asked for it by itself.
    if (event.do === 'answer') return
    if (machine.now() !== event.at || machine.instructions() !== event.instructions)
      this.diverged(event, `it is at instruction ${machine.instructions()}`)
    switch (event.do) {
      case 'input':
        machine.input(played(event.event))
        break
      case 'insert':
        this.insert(event)
        break
      case 'save':
        machine.fingerprint()
        break
      case 'checkpoint':
      case 'end':
        if (machine.fingerprint() !== event.hash) this.diverged(event, 'its state is another one')
        this.verified++
        if (event.do === 'checkpoint') this.keep()
        break
    }
  }

  private insert({ drive, path, sha256 }: Extract<Recorded, { do: 'insert' }>): void {
    if (path !== undefined) {
      const here = createHash('sha256').update(contentsOf(path)).digest('hex')
      if (here !== sha256)
        throw new RecordingError(
          `${JSON.stringify(path)} is not what was put into the ${driveWords(drive)} drive; bring that one back`,
        )
    }
    this.opened.insert(drive, path === undefined ? undefined : { path })
  }

  /** Where the machine is can be gone back to at once from now on; its CPUs forget their translations. */
  keep(): void {
    const { next, verified } = this
    const now = this.machine.now()
    if (this.states.some((known) => known.next === next && known.state.time.ns === now)) return
    const state = this.save()
    const at = this.states.filter((known) => known.state.time.ns <= now).length
    this.states.splice(at, 0, { next, verified, state })
  }

  /** The machine as it is, good until it is closed. */
  save(): MachineState {
    const state = this.machine.save()
    const changes = Object.values(state.media).flatMap((image) => image?.layers ?? [])
    for (const layer of [...state.memory.layers, ...changes]) this.layers.add(layer)
    return state
  }

  private goBack(until: number): void {
    const before = this.states.filter(({ state }) => state.time.ns <= until)
    const { next, verified, state } = before[before.length - 1]
    this.machine.load(state)
    this.next = next
    this.verified = verified
    this.over = false
  }

  private diverged({ at, instructions }: Recorded, how: string): never {
    throw new RecordingError(
      `the replay is no longer the recorded run at ${at / 1e9} s of guest time, instruction ${instructions}: ${how}; ` +
        'it was recorded by another version of bootwright, or with another firmware',
    )
  }
}
