/**
 * The machines of a shared network, and whose turn it is: while a script of one is awaited, all others go along; when it
 * ends, they stand where they wait for each other, so that what a test does next begins at the same moment in every run.
 */
import type { Meeting } from '../../../machine/network/meeting.js'
import type { VmThread } from '../../thread/machine-thread.js'
import type { Membership } from '../driver.js'

interface Member {
  readonly number: number
  readonly thread: VmThread
  /** Scripts and questions of the test's that are under way. */
  active: number
  /** Its script has ended; the others are waited for. */
  isStanding: boolean
  /** It asks nothing of guest time. */
  isAsked: boolean
  along?: { ended: Promise<unknown>; stop: () => void }
}

export class NetworkMembers {
  private readonly members = new Map<number, Member>()
  /** Scripts that tests wait for. */
  private awaited = 0
  /** While a script that has ended waits until all stand. */
  private standing: Promise<void> | undefined

  constructor(readonly meeting: Meeting) {}

  /** Guest time passes. */
  get isRunning(): boolean {
    return this.awaited > 0
  }

  /** @param left Called once, when it is closed or its thread has ended. */
  add(number: number, thread: VmThread, left: () => void): Membership {
    const member: Member = { number, thread, active: 0, isStanding: false, isAsked: false }
    this.members.set(number, member)
    this.meeting.join(number)
    const leave = () => {
      if (!this.members.delete(number)) return
      this.meeting.leave(number)
      left()
    }
    void thread.whenEnded.then(leave)
    return {
      run: (action) => this.run(member, action),
      ask: (action) => this.ask(member, action),
      leave,
    }
  }

  private async ask<T>(member: Member, action: () => Promise<T>): Promise<T> {
    member.active++
    member.isAsked = true
    try {
      await this.halt(member)
      return await action()
    } finally {
      member.isAsked = false
      member.active--
      this.wakeSoon()
    }
  }

  private async run<T>(member: Member, action: () => Promise<T>): Promise<T> {
    member.active++
    this.awaited++
    this.wakeSoon()
    try {
      await this.halt(member)
      return await action()
    } finally {
      // Where it was interrupted while it waited for the others.
      this.meeting.withdraw(member.number)
      member.isStanding = true
      await this.allStand()
      member.isStanding = false
      member.active--
      this.awaited--
      if (this.awaited === 0) await Promise.all([...this.members.values()].map((one) => this.halt(one)))
      else this.wakeSoon()
    }
  }

  /** It no longer goes along, and the others wait for it. */
  private async halt(member: Member): Promise<void> {
    const { along, number } = member
    // First: one that sees that it is withdrawn looks for what it is told.
    along?.stop()
    this.meeting.withdraw(number)
    if (!along) return
    await along.ended
    this.meeting.withdraw(number)
  }

  /** When the test has had its turn: what it awaits at once begins together. */
  private wakeSoon(): void {
    setImmediate(() => {
      if (this.awaited > 0) this.wake()
    })
  }

  private wake(): void {
    for (const member of this.members.values()) {
      if (member.active > 0 || member.along) continue
      const { ended, stop } = member.thread.goAlong()
      const over = ended.then(
        () => this.ended(member),
        () => this.ended(member),
      )
      member.along = { ended: over, stop }
    }
  }

  private ended(member: Member): void {
    member.along = undefined
  }

  /**
   * Until all have come to where they wait for the others, or have ended their scripts. Whose scripts ended on the way go on
   * together: which of them the host ran to its end first is nothing that their guests may hear of.
   */
  private allStand(): Promise<void> {
    this.standing ??= this.standStill().finally(() => {
      this.standing = undefined
    })
    return this.standing
  }

  private async standStill(): Promise<void> {
    const stands = ({ number, isStanding, isAsked }: Member) => isStanding || isAsked || this.meeting.hasArrived(number)
    while (true) {
      this.wake()
      if ([...this.members.values()].every(stands)) return
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
  }
}
