/**
 * Departures from the plain run, where a machine is explored: turns of CPUs that end early, and timers that fire late, as they
 * do on a busy host. All that interrupts, disks and networks wait for is a timer. Which departures there are is a function
 * of a seed and of the guest's own moments, or a list; so a run with them is as reproducible as one without, and those that
 * came can be taken away one by one. No guest sees more than that it was a little later.
 */

/** Times are guest time in ns. */
export type Departure =
  /** The turn of the CPU that executes ends there, and `cpu` has the next one if it can. */
  | { at: number; cpu: number }
  /** The timer that is due there fires so much later. */
  | { at: number; timer: string; delay: number }

export interface ExplorationPlan {
  /** Those that are told; others come of the seed alone. */
  departures: readonly Departure[]
  /** undefined: there are no others. */
  seed?: number
  /** From when on the seed counts; those that are told count before. */
  from?: number
}

/** How a seed explores: what is rare needs few departures, and what is rarer still needs many. */
interface Style {
  /** Instructions' worth of the longest turn while other CPUs could run. */
  longestTurn: number
  /** Of 1. */
  timerChance: number
  /** ns */
  longestDelay: number
}

const LONGEST_TURNS = [100, 1000, 3000, 10_000, 50_000]
const TIMER_CHANCES = [0, 1 / 16, 1 / 2]
const LONGEST_DELAYS = [1e3, 1e4, 1e5, 1e6]

export class Exploration {
  /** Those that came, in order. */
  readonly applied: Departure[] = []
  private readonly style: Style | undefined
  /** Of the list: the moments of cut turns, upward, and delays by timer and moment. */
  private readonly cuts: { at: number; cpu: number }[] = []
  private readonly delays = new Map<string, number>()
  private last = -1

  constructor(private readonly plan: ExplorationPlan) {
    for (const departure of plan.departures) {
      if ('cpu' in departure) this.cuts.push(departure)
      else this.delays.set(`${departure.at} ${departure.timer}`, departure.delay)
    }
    this.cuts.sort((a, b) => a.at - b.at)
    const { seed } = plan
    if (seed === undefined) return
    const pick = <T>(what: string, from: readonly T[]): T => from[Math.floor(random(seed, what, 0) * from.length)]
    this.style = {
      longestTurn: pick('longest turn', LONGEST_TURNS),
      timerChance: pick('timer chance', TIMER_CHANCES),
      longestDelay: pick('longest delay', LONGEST_DELAYS),
    }
  }

  /** The end of the turn that begins now, where it is to end before `end`; in units of `instruction`, ns. */
  cut(now: number, end: number, cpus: number, instruction: number): { at: number; cpu: number } | undefined {
    const { seed, from = 0 } = this.plan
    const told = this.cuts[firstBehind(this.cuts, now)]
    const isTold = told !== undefined && told.at < end
    if (seed === undefined || !this.style || now < from) return isTold ? told : undefined
    const { longestTurn } = this.style
    // Of all lengths alike, or of all orders of magnitude.
    const part = random(seed, 'length', now)
    const length = Math.ceil(random(seed, 'kind', now) < 1 / 2 ? longestTurn * part : longestTurn ** part)
    const at = now + length * instruction
    return at < end ? { at, cpu: Math.floor(random(seed, 'cpu', now) * cpus) } : undefined
  }

  /** How much later than it is due the timer fires; it is asked again then. */
  delay(timer: string, at: number): number {
    const { seed, from = 0 } = this.plan
    let delay = 0
    if (seed === undefined || !this.style || at < from) delay = this.delays.get(`${at} ${timer}`) ?? 0
    else if (random(seed, `${timer} is late`, at) < this.style.timerChance)
      delay = Math.ceil(this.style.longestDelay ** random(seed, `${timer} is later`, at))
    if (delay > 0) this.note({ at, timer, delay })
    return delay
  }

  /** One has come. A machine that was brought back meets it again. */
  note(departure: Departure): void {
    if (departure.at < this.last) {
      const text = JSON.stringify(departure)
      if (this.applied.some((one) => JSON.stringify(one) === text)) return
    }
    this.last = Math.max(this.last, departure.at)
    this.applied.push(departure)
  }
}

function firstBehind(sorted: readonly { at: number }[], now: number): number {
  let from = 0
  let to = sorted.length
  while (from < to) {
    const middle = (from + to) >> 1
    if (sorted[middle].at <= now) from = middle + 1
    else to = middle
  }
  return from
}

/** From 0 to 1, the same for the same seed, purpose and moment: a hash by murmur3's finalizer. */
export function random(seed: number, purpose: string, at: number): number {
  let hash = mix(seed | 0)
  for (let i = 0; i < purpose.length; i++) hash = mix(hash ^ purpose.charCodeAt(i))
  hash = mix(hash ^ (at >>> 0))
  hash = mix(hash ^ Math.floor(at / 2 ** 32))
  return (hash >>> 0) / 2 ** 32
}

function mix(hash: number): number {
  let mixed = hash + 0x9e3779b9
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return mixed ^ (mixed >>> 16)
}
