/** Under `bootwright test`, vitest and its workers end with the command, however that ends: even a SIGKILL leaves none. */

/** The environment variable with the process number of the command. */
export const COMMAND_VARIABLE = 'BOOTWRIGHT_TEST_COMMAND'
/** Between two looks, ms. */
const LOOK = 500

export function endWithCommand(): void {
  const command = process.env[COMMAND_VARIABLE]
  // Not for a vitest that a test starts.
  delete process.env[COMMAND_VARIABLE]
  if (command === undefined) return
  setInterval(() => {
    if (process.ppid !== Number(command)) endAll()
  }, LOOK).unref()
}

/** The group, where the command has made one; workers outlive a vitest that is killed. */
function endAll(): void {
  try {
    process.kill(-process.pid, 'SIGKILL')
  } catch {
    process.kill(process.pid, 'SIGKILL')
  }
}
