/**
 * Keeps a machine in step with the others of its network: it runs to the horizon, meets the others, takes the frames that
 * they sent, and runs on. What it has sent itself since the last meeting, and where its horizon is, belongs to snapshots.
 */
import type { State, Stateful, StateTable } from '../../machine/device.js'
import type { Machine, MachineExit } from '../../machine/machine.js'
import { BOX, type Meeting, sizeInBox, type TrunkFrame } from '../../machine/network/meeting.js'
import { EVERYONE } from '../../machine/network/trunk.js'
import { bytes, integer, list, record, time } from '../../machine/state/fields.js'
import { loadState, saveState } from '../../machine/state/state-table.js'

/** The longest sleep at a meeting, ms of the host's: then the outside is looked at. */
const NAP = 20
const MOST_FRAMES = BOX >>> 5

export class Lockstep implements Stateful {
  readonly state: StateTable = {
    ...{ horizon: time, offset: time },
    sent: list(record({ to: integer(0, EVERYONE), time, frame: bytes(0, 0xffff) }), 0, MOST_FRAMES),
  }
  /** Guest time up to which the machine may run, ns. */
  private horizon = 0
  /** The network's time when the machine's was 0. */
  private offset = 0
  /** Since the last meeting; in the network's time. */
  private sent: Omit<TrunkFrame, 'from'>[] = []
  private boxed = 0
  private meeting: Meeting | undefined

  constructor(private readonly member: number) {}

  /** @param isNew The machine has just been switched on, and does not go on from another one. */
  join(meeting: Meeting, now: number, isNew: boolean): void {
    this.meeting = meeting
    if (!isNew) return
    this.offset = meeting.horizon - now
    this.horizon = now
  }

  save(): State {
    return saveState(this)
  }

  load(state: State): void {
    loadState(this, state, 'the network')
    this.boxed = this.sent.reduce((sum, { frame }) => sum + sizeInBox(frame), 0)
  }

  send(to: number, frame: Uint8Array, sentAt: number): void {
    this.boxed += sizeInBox(frame)
    // The cable's own queue is shorter.
    if (this.boxed <= BOX - 8) this.sent.push({ to, time: sentAt + this.offset, frame })
  }

  /** It has come to where it waits for the others. */
  stands(machine: Machine): boolean {
    return machine.now() >= this.horizon
  }

  /** As the machine's own. @param isOver Tells whether the run is to end at once. */
  run(machine: Machine, until: number, hostEnd: number, isOver: () => boolean): MachineExit | undefined {
    while (true) {
      if (!this.stands(machine)) {
        const end = Math.min(until, this.horizon)
        const exit = machine.run(end, hostEnd)
        if (exit || isOver() || machine.now() < end || machine.now() >= until) return exit
      }
      if (!this.meet(machine, until, hostEnd)) return undefined
    }
  }

  /** A machine that has stopped for good keeps meeting the others. */
  standBy(machine: Machine, hostEnd: number): void {
    this.meet(machine, Number.POSITIVE_INFINITY, hostEnd)
  }

  /** false: the others have not come yet, or it is withdrawn. */
  private meet(machine: Machine, until: number, hostEnd: number): boolean {
    const { meeting, member } = this
    if (!meeting) throw new Error('the machine has not joined its network')
    if (!meeting.hasArrived(member) && !meeting.isCalled(member)) {
      const earliest = Math.max(machine.now(), Math.min(until, machine.idleUntil?.() ?? 0))
      meeting.arrive(member, earliest + this.offset, this.sent)
    }
    while (!meeting.isCalled(member)) {
      const left = hostEnd - performance.now()
      if (left <= 0 || !meeting.hasArrived(member)) return meeting.isCalled(member) && this.pass(meeting, machine)
      meeting.sleep(member, Math.min(left, NAP))
    }
    return this.pass(meeting, machine)
  }

  private pass(meeting: Meeting, machine: Machine): true {
    this.sent = []
    this.boxed = 0
    const { horizon, frames } = meeting.answer(this.member)
    this.horizon = horizon - this.offset
    for (const { from, frame, time: sentAt } of frames)
      machine.input({ kind: 'frame', from, bytes: frame, time: sentAt - this.offset })
    return true
  }
}
