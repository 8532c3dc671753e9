/** What a process of the command's does first: before the command itself is loaded, which takes longer than this. */
import { compileCore } from '../../machine/cpu/soft/core-module.js'
import { beginThread, endWaiting } from '../thread/worker-thread.js'

/** These make a machine in a thread, unless their options are wrong. */
const WITH_MACHINE = ['run', 'codegen']

/** The thread that the command is going to need begins to load while the command does, and its core is compiled. */
export function begin(args: readonly string[]): void {
  if (!WITH_MACHINE.includes(args[0]) || args.some((arg) => arg === '--help' || arg === '-h')) return
  beginThread()
  // Whoever needs it says what is wrong with it.
  compileCore().catch(() => {})
}

/** It was of another build. */
export function takeBack(): void {
  endWaiting()
}
