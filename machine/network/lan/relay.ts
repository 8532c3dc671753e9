/** A connection with a guest whose far side is outside the machine: the test, or a socket of the host's. */
import type { StateTable } from '../../device.js'
import { count, integer } from '../../state/fields.js'
import { type OutsideEvent, STREAM_CREDIT } from '../outside.js'
import { RECEIVE_WINDOW, SMALL_WINDOW, type TcpApplication, type TcpConnection } from './tcp/tcp-connection.js'

/** Bytes of which the guest has more are told together. */
const TOLD_AT_ONCE = 16 << 10

export interface RelayHost {
  tell(event: OutsideEvent): void
  /** It is over. */
  forget(relay: Relay): void
}

export class Relay implements TcpApplication {
  readonly state: StateTable = {
    ...{ stream: count, held: integer(0, RECEIVE_WINDOW), owed: integer(0, STREAM_CREDIT) },
  }
  readonly isPatient = true
  stream = 0
  /** Of the guest's, not handed on. */
  held = 0
  /** Given to the connection, and not told to be taken. */
  private owed = 0

  constructor(
    readonly connection: TcpConnection,
    private readonly host: RelayHost,
  ) {}

  opened(): void {
    this.host.tell({ kind: 'opened', stream: this.stream })
  }

  received(bytes: Uint8Array, isMore = false): void {
    this.held += bytes.length
    this.host.tell({ kind: 'data', stream: this.stream, bytes, ...(isMore && { isMore }) })
  }

  ended(): void {
    this.host.tell({ kind: 'ended', stream: this.stream })
  }

  writable(): void {
    const taken = this.owed - this.connection.queued
    if (taken < TOLD_AT_ONCE && this.connection.queued > 0) return
    if (taken <= 0) return
    this.owed -= taken
    this.host.tell({ kind: 'taken', stream: this.stream, count: taken })
  }

  closed(why?: string): void {
    this.host.tell({ kind: 'closed', stream: this.stream, ...(why !== undefined && { why }) })
    this.host.forget(this)
  }

  /** From outside; what is beyond what was taken is thrown away. */
  write(bytes: Uint8Array): void {
    const fitting = bytes.subarray(0, Math.min(this.connection.room, STREAM_CREDIT - this.owed))
    this.owed += fitting.length
    this.connection.write(fitting)
  }

  /** So much of the guest's has been handed on. */
  handedOn(length: number): void {
    const before = this.held
    this.held = Math.max(0, before - length)
    if (before > SMALL_WINDOW && this.held <= SMALL_WINDOW) this.connection.announceWindow()
  }
}
