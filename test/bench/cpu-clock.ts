/** Time on a CPU, for a host that has other work: Linux only. */
import { readdirSync, readFileSync } from 'node:fs'

/**
 * A clock in ms that runs while the busiest thread of a process runs: the guest's thread, in an emulator. Background
 * compilers and those that wait for the guest have threads of their own.
 */
export function cpuClock(pid: number): () => number {
  const folder = `/proc/${pid}/task`
  return () => {
    let most = 0
    for (const thread of readdirSync(folder)) {
      try {
        most = Math.max(most, Number.parseInt(readFileSync(`${folder}/${thread}/schedstat`, 'latin1'), 10) / 1e6)
      } catch {
        // The thread has ended since it was listed.
      }
    }
    return most
  }
}
