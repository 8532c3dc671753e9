/** One connection between the guest and a socket of the host's: bytes both ways, each side no faster than the other. */
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type OutsideEvent, type OutsideInput, STREAM_CREDIT } from '../../machine/network/outside.js'

/** The longest that somebody far away may take to answer, ms. */
const PATIENCE = 30_000

/** A socket, or the ends of a program. */
type FarEnd = Duplex & Partial<Pick<Socket, 'setTimeout' | 'setNoDelay' | 'destroySoon' | 'resetAndDestroy'>>

export class HostStream {
  private credit = STREAM_CREDIT
  private waiting: Uint8Array[] = []
  private hasEnded = false
  private hasToldEnd = false
  private isOver = false

  /**
   * @param isDialled The socket was opened for the guest, which waits until it is there; else somebody came to the host, and
   * waits for the guest.
   */
  constructor(
    readonly number: number,
    private readonly socket: FarEnd,
    private readonly say: (event: OutsideInput) => void,
    isDialled: boolean,
  ) {
    if (isDialled) {
      socket.setTimeout?.(PATIENCE, () => this.gone('it does not answer'))
      socket.once('connect', () => {
        socket.setTimeout?.(0)
        say({ kind: 'stream-answered', stream: number })
      })
    }
    socket.setNoDelay?.(true)
    socket.on('data', (bytes) => this.take(bytes))
    socket.on('end', () => {
      this.hasEnded = true
      this.pump()
    })
    socket.on('error', (error: NodeJS.ErrnoException) => this.gone(error.code ?? error.message))
    socket.on('close', () => {
      if (!this.hasEnded) this.gone('it was closed')
    })
  }

  hear(event: OutsideEvent): void {
    const { socket, number: stream } = this
    switch (event.kind) {
      case 'opened':
        socket.resume()
        break
      case 'data':
        socket.write(event.bytes, (error) => {
          if (!error) this.tell({ kind: 'stream-taken', stream, count: event.bytes.length })
        })
        break
      case 'taken':
        this.credit += event.count
        this.pump()
        break
      case 'ended':
        socket.end()
        break
      case 'closed':
        this.isOver = true
        if (event.why !== undefined && socket.resetAndDestroy) socket.resetAndDestroy()
        else if (event.why !== undefined) socket.destroy()
        else if (socket.destroySoon) socket.destroySoon()
        else socket.end()
    }
  }

  /** The machine is gone. */
  end(): void {
    this.isOver = true
    this.socket.destroy()
  }

  private take(bytes: Uint8Array): void {
    this.waiting.push(bytes)
    this.pump()
  }

  /** As much as the guest's side has room for; the socket waits where that is less. */
  private pump(): void {
    while (this.waiting.length > 0 && this.credit > 0) {
      const [first] = this.waiting
      const piece = first.subarray(0, this.credit)
      this.credit -= piece.length
      if (piece.length === first.length) this.waiting.shift()
      else this.waiting[0] = first.subarray(piece.length)
      this.tell({ kind: 'stream-data', stream: this.number, bytes: Uint8Array.from(piece) })
    }
    if (this.waiting.length > 0) this.socket.pause()
    else if (this.hasEnded && !this.hasToldEnd) {
      this.hasToldEnd = true
      this.tell({ kind: 'stream-ended', stream: this.number })
    } else if (!this.hasEnded && this.socket.isPaused() && this.credit < STREAM_CREDIT) this.socket.resume()
  }

  private gone(why: string): void {
    this.tell({ kind: 'stream-gone', stream: this.number, why })
    this.isOver = true
    this.socket.destroy()
  }

  private tell(event: OutsideInput): void {
    if (!this.isOver) this.say(event)
  }
}
