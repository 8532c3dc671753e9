/** How long a machine's thread may take to come to the end that it was asked for. */

/**
 * So many ticks of so many ms: less than a second. On a host that is too busy to tick, or to let this process have half of a
 * CPU meanwhile, it may be as many as the last says.
 */
const PATIENCE = 9
const TICK = 100
const MOST_TICKS = 40

/** Calls `giveUp`, with the reason in words, when it has taken too long. @returns The interval, to be cleared before that. */
export function losePatience(giveUp: (why: string) => void): NodeJS.Timeout {
  let left = PATIENCE
  let ticks = 0
  let before = process.cpuUsage()
  return setInterval(() => {
    const { user, system } = process.cpuUsage(before)
    before = process.cpuUsage()
    if (user + system >= (TICK * 1000) / 2) left--
    if (left === 0) giveUp("a fault of Bootwright's own; please report it")
    else if (++ticks === MOST_TICKS) giveUp('this host or its disks are too busy')
  }, TICK)
}
