/** Why a machine stopped, in words. */
import type { MachineExit } from '../../machine/machine.js'

/** The exit as the beginning of a sentence. */
export function describeExit(exit: Pick<MachineExit, 'reason' | 'code' | 'action' | 'detail'>): string {
  switch (exit.reason) {
    case 'poweroff':
      return 'the guest powered off'
    case 'reset':
      return 'the guest reset the machine'
    case 'triple-fault':
      return 'the CPU shut down in a triple fault'
    case 'debug-exit':
      return `the guest left through isa-debug-exit with code ${exit.code} (QEMU's exit status ${qemuStatus(exit.code ?? 0)})`
    case 'watchdog':
      return `the watchdog ${exit.detail} was not fed in time (its action is ${exit.action})`
    case 'halted':
      return 'the CPU halted for good, with interrupts disabled'
    case 'suspended':
      return 'the guest suspended to RAM (ACPI S3) with no alarm set: only the power button or a key would wake it'
    case 'failure':
      return `the engine cannot go on (${exit.detail?.split('\n')[0] ?? 'no reason given'})`
  }
}

/** What QEMU's process would exit with: a process shows the low byte. */
export function qemuStatus(code: number): number {
  return ((code << 1) | 1) & 0xff
}

/** Behind a sentence on the code that a guest left with, where another was expected: perhaps it was QEMU's status. */
export function codeHint(expected: number, code: number | undefined): string {
  if (code === undefined || qemuStatus(code) !== expected) return ''
  const written = `0x${code.toString(16)}`
  return `; ${expected} is QEMU's exit status, (code << 1) | 1: expect what the guest writes, ${written}`
}
