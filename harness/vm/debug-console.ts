/** `vm.debugConsole`: what the guest, and the firmware before it, write to the ports E9h and 402h. */

import { toPattern } from '../keys/patterns.js'
import { DEBUG_CONSOLE } from '../protocol/condition.js'
import type { TimeoutOptions, VmDriver } from './driver.js'

export class DebugConsole {
  private decoder = new TextDecoder()
  private decoded = ''

  constructor(private readonly driver: VmDriver) {}

  /** All that was written to it, as UTF-8. */
  text(): string {
    return this.decoded
  }

  /**
   * Waits until what came since the last match matches, as on a serial line. Resolves with the match and its groups;
   * rejects with a TimeoutError or a GuestExitError.
   */
  async waitFor(expression: RegExp | string, options?: TimeoutOptions): Promise<string[]> {
    const condition = { kind: 'serial', port: DEBUG_CONSOLE, pattern: toPattern(expression) } as const
    const { matched } = await this.driver.until(condition, options)
    return matched ?? []
  }

  /** Goes on from what another machine wrote, or this one at another time. */
  adopt(text: string): void {
    this.decoder = new TextDecoder()
    this.decoded = text
  }

  /** What `vm.ts` hands on from the machine's thread. */
  receive(bytes: Uint8Array): void {
    this.decoded += this.decoder.decode(bytes, { stream: true })
  }
}
