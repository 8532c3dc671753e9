/** What a process of the command's does first: before the command itself is loaded, which takes longer than this. */
import { beginThread, endWaiting } from '../thread/worker-thread.js'

/** These make a machine in a thread, unless their options are wrong. */
const WITH_MACHINE = ['run', 'codegen']

/** The thread that the command is going to need begins to load while the command does. */
export function begin(args: readonly string[]): void {
  if (WITH_MACHINE.includes(args[0]) && !args.some((arg) => arg === '--help' || arg === '-h')) beginThread()
}

/** It was of another build. */
export function takeBack(): void {
  endWaiting()
}
