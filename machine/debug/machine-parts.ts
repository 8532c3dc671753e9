/** What a monitor shows of a machine beside its CPUs: plain data, taken while it stands still. */
import type { State } from '../device.js'

export interface MachineParts {
  /** By name, in the order in which they are reset. */
  devices: { name: string; type?: string; state: State }[]
  /** What is at addresses, the topmost first. */
  memory: { name: string; kind: string; base: number; size: number; reads: boolean; writes: boolean }[]
  ports: { name: string; owner: string; base: number; count: number }[]
  pci: { device: number; function: number; name: string; config: Uint8Array }[]
  /** What is in the drives. */
  media: { drive: string; size: number; readOnly: boolean }[]
  /** Of the CD drive; undefined where there is none. */
  tray: { locked: boolean; trayOpen: boolean } | undefined
  /** Sources of each interrupt whose level is high. */
  irqs: readonly (readonly string[])[]
  /** Network cards, and whether their cables are plugged in. */
  nics: { id: string; type: string; mac: string; net: string; up: boolean }[]
}
