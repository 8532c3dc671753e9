import type { State } from '../../machine/device.js'
import type { MachineState } from '../../machine/state/machine-state.js'
import type { DriveMedia, MachineConfig } from '../config/machine-config.js'

/** A snapshot as it crosses threads. */
export interface SnapshotParts {
  state: MachineState
  /** Serial logs and the like. */
  runner: State
  /** As the machine was started. */
  config: MachineConfig
  /** What was in the drives. */
  media: DriveMedia
}
