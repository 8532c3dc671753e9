/** What comes to a machine from outside while it runs: hands, lines and buttons. Plain data, so that it can be recorded. */
import type { KeyEvent, MouseEvent } from './devices/input/events.js'
import type { NetworkInput } from './network/machine-network.js'

export type InputEvent =
  | ({ kind: 'key' } & KeyEvent)
  | ({ kind: 'mouse' } & MouseEvent)
  /** Bytes for COM1 + `port`; they wait until the guest takes them. */
  | { kind: 'serial'; port: number; bytes: Uint8Array }
  /** The buttons in front, and the one that sends every CPU an NMI. */
  | { kind: 'power-button' | 'reset' | 'nmi' }
  | NetworkInput

/** Where input waits until the guest takes it. */
export type InputQueue = 'keyboard' | 'mouse' | `COM${number}`
