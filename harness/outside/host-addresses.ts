/** The host's own addresses, which no guest reaches unless a rule names them: written down, so that a recording has them. */
import type { MachineConfig } from '../config/machine-config.js'
import { type Dialer, HOST } from './dialer.js'

export function withHostAddresses(config: MachineConfig, dialer: Dialer = HOST): MachineConfig {
  if (!config.nics?.some(({ user }) => user)) return config
  const host = dialer.ownAddresses()
  return { ...config, nics: config.nics.map((nic) => (nic.user ? { ...nic, user: { host, ...nic.user } } : nic)) }
}
