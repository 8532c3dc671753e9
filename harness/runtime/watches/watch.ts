/** What looks whether a condition has come true, and what it looks at. */
import type { Display } from '../../../machine/devices/display/display.js'
import type { MachineExit } from '../../../machine/machine.js'
import type { LoggedRequest } from '../../../machine/network/lan/services/request-log.js'
import type { Area } from '../../picture/compare-pictures.js'
import type { ReachCondition } from '../../protocol/condition.js'
import type { SerialLog } from '../serial-log.js'

/** What a watch looks at. */
export interface Scene {
  /** What stops the machine where it comes to an instruction or touches memory. */
  readonly stops: { watch(condition: ReachCondition): Watch }
  /** Guest time in ns. */
  now(): number
  readonly display: Display
  /** The text on the screen or in an area of it; undefined in graphics modes where none can be read. */
  text(area?: Area): string | undefined
  serial(port: number): SerialLog
  /** To the LAN. */
  requests(): LoggedRequest[]
}

export interface Watch {
  /** At the start, and at every guest frame. */
  atFrame(): boolean
  /** After a byte on COM1 + port, or a request to the LAN. */
  atByte(port: number): boolean
  /** The machine stopped by itself: what the screen showed then counts too. */
  atExit(exit: MachineExit): boolean
}
