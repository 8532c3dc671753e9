/** Measurements that nobody took, by a seed: for how the site stands up to many. The site says that they are made up. */
import type { Measurement } from '../../reports/matrix/measurement.js'

/** A PNG of one pixel. */
const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
const LEVELS = ['firmware', 'loader', 'kernel', 'userland', 'shell', 'keyboard']
const FAMILIES = ['Linux', 'BSD', 'DOS', 'Unix', 'hobby', 'Windows', 'firmware', 'boot loader']
const HOURS = 3600_000

export const MADE_UP = 'Made up by a generator to try the site with many guests: none of this was measured.'

export interface HowMany {
  guests: number
  engines: number
  runs: number
}

export function madeUpMeasurements({ guests, engines, runs }: HowMany): Measurement[] {
  const random = generator(7)
  const all: Measurement[] = []
  for (let run = 0; run < runs; run++) {
    const date = new Date(Date.UTC(2026, 0, 1) + run * 24 * HOURS).toISOString()
    for (let g = 0; g < guests; g++) for (let e = 0; e < engines; e++) all.push(measurement(run, date, g, e, random))
  }
  return all
}

function measurement(run: number, date: string, g: number, e: number, random: () => number): Measurement {
  const reached = random() < 0.9 ? LEVELS.length : Math.floor(random() * LEVELS.length)
  const name = `made-up-${String(g + 1).padStart(3, '0')}`
  const engine = `engine-${e + 1}`
  const screenshot = { png: PIXEL, width: 720, height: 400, mode: 'text 80×25' }
  return {
    format: 'bootwright-measurement',
    version: 1,
    run: {
      id: `made-up-${String(run + 1).padStart(3, '0')}`,
      date,
      host: { os: 'Made-up OS', arch: 'x64', cpu: `Made-up CPU ${e + 1}`, cores: 2, node: '20.0.0' },
      bootwright: { version: '0.0.0', commit: `made-up-${run + 1}` },
    },
    guest: {
      name,
      title: `Made-up system ${g + 1}`,
      family: FAMILIES[g % FAMILIES.length],
      licence: 'MIT',
      media: [`${name}.img`],
      levels: LEVELS,
    },
    engine: { id: engine, title: engine },
    device: { id: 'standard', title: 'standard PC' },
    cell: {
      guest: name,
      engine,
      device: 'standard',
      status: reached === LEVELS.length ? 'passed' : 'failed',
      ...(reached < LEVELS.length && { reason: `${LEVELS[reached]}: made up.` }),
      measured: date,
      ...(reached > 0 && { level: LEVELS[reached - 1] }),
      command: `bootwright matrix ${name}`,
      levels: LEVELS.map((level, i) => ({
        name: level,
        title: `made-up ${level}`,
        status: i < reached ? 'passed' : i === reached ? 'failed' : 'skipped',
        ...(i === reached && { reason: 'made up' }),
        ...(i <= reached && { guestTimeNs: (i + 1) * 1e9, hostTimeMs: (i + 1) * 500, evidence: { screenshot } }),
      })),
    },
  }
}

/** Mulberry32: the same numbers from the same seed. */
function generator(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
