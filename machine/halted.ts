/** Why nothing can wake a CPU that waits with interrupts disabled, in words. */
import type { CpuState } from './cpu/engine.js'

const CR0_NE = 1n << 5n
/** Of FXSAVE's image: the status word, and in it the summary of unmasked exceptions. */
const FSW = 2
const ES = 0x80

export function describeHalt(cpus: readonly Pick<CpuState, 'halted' | 'cr0' | 'fxsave'>[]): string {
  const isStuck = ({ halted, cr0, fxsave }: (typeof cpus)[number]) =>
    halted && !(cr0 & CR0_NE) && (fxsave[FSW] & ES) !== 0
  if (!cpus.some(isStuck)) return 'HLT with interrupts disabled: nothing can wake the CPU'
  return (
    'HLT or a waiting x87 instruction with interrupts disabled: an unmasked x87 exception is pending, and with CR0.NE ' +
    'clear the CPU stops in front of such an instruction until IRQ 13 comes, which it cannot; nothing can wake the CPU'
  )
}
