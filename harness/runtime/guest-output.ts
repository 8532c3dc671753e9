/** What the guest has sent by its serial lines and the debug console, kept until it is handed on in one piece. */

export interface OutputHooks {
  /** @param guestTimeNs When they were handed on, which is within a guest frame of when they were sent. */
  onSerial?: (port: number, bytes: Uint8Array, guestTimeNs: number) => void
  onDebug?: (bytes: Uint8Array) => void
}

export class GuestOutput {
  private readonly lines: number[][]
  private readonly debug: number[] = []
  /** The debug console has said something: its first byte, a guest's first sign of life, is handed on at once. */
  private lives = false

  constructor(
    ports: number,
    private readonly hooks: OutputHooks,
  ) {
    this.lines = Array.from({ length: ports }, () => [])
  }

  serialByte(port: number, byte: number): void {
    this.lines[port].push(byte)
  }

  debugByte(byte: number): void {
    if (this.lives) this.debug.push(byte)
    else this.hooks.onDebug?.(Uint8Array.of(byte))
    this.lives = true
  }

  flush(guestTimeNs: number): void {
    for (const [port, bytes] of this.lines.entries())
      if (bytes.length > 0) this.hooks.onSerial?.(port, Uint8Array.from(bytes), guestTimeNs)
    if (this.debug.length > 0) this.hooks.onDebug?.(Uint8Array.from(this.debug))
    this.forget()
  }

  forget(): void {
    for (const bytes of [...this.lines, this.debug]) bytes.length = 0
  }
}
