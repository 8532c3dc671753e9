/** What the guest has sent by its serial lines and the debug console, kept until it is handed on in one piece. */

export interface OutputHooks {
  /** @param guestTimeNs When they were handed on, which is within a guest frame of when they were sent. */
  onSerial?: (port: number, bytes: Uint8Array, guestTimeNs: number) => void
  onDebug?: (bytes: Uint8Array) => void
}

export class GuestOutput {
  private readonly lines: number[][]
  private readonly debug: number[] = []

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
    this.debug.push(byte)
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
