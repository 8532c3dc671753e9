/**
 * What a virtio device is beside its transport (Virtual I/O Device 1.2, chapters 2 and 5): its features, its queues, its
 * configuration. Each device is a file with a class that the transport (`virtio-pci.ts`) is handed.
 */
import type { Clock } from '../../clock.js'
import type { Stateful, Warn } from '../../device.js'
import type { BusMaster } from '../bus-master.js'
import type { Virtqueue } from './virtqueue.js'

/** Feature bits that are not a device's own (chapter 6). */
export const ANY_LAYOUT = 27
export const INDIRECT_DESC = 28
export const EVENT_IDX = 29
export const VERSION_1 = 32

/** What its transport gives a device. */
export interface VirtioHost {
  readonly name: string
  readonly clock: Clock
  readonly memory: BusMaster
  readonly warn: Warn
  readonly queues: readonly Virtqueue[]
  /** The driver took this feature. */
  has(feature: number): boolean
  /** The driver is ready, and the device as well: it may use its queues. */
  readonly isRunning: boolean
  /** Chains were given back to this queue: the driver is told, and interrupted where it asked for it. */
  tell(queue: number): void
  /** The configuration has changed by itself. */
  configurationChanged(): void
  /** Serves the queue soon, as after a notification. */
  wake(queue: number): void
}

export interface VirtioDevice extends Stateful {
  /** Offered. */
  readonly features: readonly number[]
  /** Bytes of its configuration. */
  readonly configurationSize: number
  readConfiguration(offset: number): number
  writeConfiguration?(offset: number, value: number): void
  /** The driver's reset, or the machine's. */
  reset(): void
  /**
   * The driver notified this queue, or `wake` was called. Called from a timer, never in the access; does a bounded amount
   * of work, and returns whether there is more.
   */
  serve(queue: number): boolean
  /** The driver has chosen its features and is about to begin. */
  started?(): void
}
