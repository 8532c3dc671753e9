/**
 * QEMU's `isa-debug-exit`: a guest ends the machine by writing `n` to it, and the exit status is `(n << 1) | 1`, so it
 * is never 0. Hobby kernels' test runners live on it.
 */
import type { Device, PortRange, State } from '../../device.js'

export interface IsaDebugExitOptions {
  /** First port; default 0xf4. */
  base?: number
  /** Number of ports; default 4. */
  size?: number
  /** Called with the exit status, unsigned 32 bits; a process would show its low byte. */
  onExit: (code: number) => void
}

export class IsaDebugExit implements Device {
  readonly name = 'isa-debug-exit'
  readonly ports: readonly PortRange[]

  constructor(options: IsaDebugExitOptions) {
    this.ports = [
      {
        name: this.name,
        base: options.base ?? 0xf4,
        count: options.size ?? 4,
        width: 4,
        read: () => 0,
        write: (_offset, value) => options.onExit(((value << 1) | 1) >>> 0),
      },
    ]
  }

  reset(): void {}

  save(): State {
    return {}
  }

  load(_state: State): void {}
}
