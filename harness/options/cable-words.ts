/** The cables of a network of several machines, in words: `{ latency: '100us', bandwidth: '100Mbit', loss: '1%', seed: 7 }`. */
import type { CableOptions } from '../../machine/network/trunk.js'
import { tryParseDuration } from '../units/durations.js'
import { OptionError } from './option-error.js'

export interface CableWords {
  /** From one machine to another; default `'100us'`. No machine runs ahead of the others by more. */
  latency?: string | number
  /** `'100Mbit'`, or bits a second; default `'1Gbit'`. */
  bandwidth?: string | number
  /** Of all frames, `'1%'` or 0.01 are lost; by default none. */
  loss?: string | number
  /** So many come twice. */
  duplicate?: string | number
  /** So many are held up, so that later ones overtake them. */
  reorder?: string | number
  /** Another one loses, doubles and reorders other frames; default 1. */
  seed?: number
}

export const CABLE_WORDS = ['latency', 'bandwidth', 'loss', 'duplicate', 'reorder', 'seed'] as const

const LEAST_LATENCY = 1e3
const MOST_LATENCY = 10e9
const LEAST_BANDWIDTH = 1e4
const MOST_BANDWIDTH = 1e11
const BITS: { readonly [unit: string]: number } = { '': 1, k: 1e3, m: 1e6, g: 1e9 }

/** @throws OptionError */
export function readCable(words: CableWords, where: string): CableOptions {
  const { latency = '100us', bandwidth = '1Gbit', loss = 0, duplicate = 0, reorder = 0, seed = 1 } = words
  const ns = tryParseDuration(latency)
  if (ns === undefined || ns < LEAST_LATENCY || ns > MOST_LATENCY)
    throw new OptionError(`${where}: latency '${latency}' is no time from 1us to 10s; write it as in '100us'`)
  if (!Number.isInteger(seed) || seed < 0 || seed > 0xffff_ffff)
    throw new OptionError(`${where}: seed '${seed}' is no whole number from 0 to 4294967295; give one`)
  return {
    ...{ latency: ns, bandwidth: readBandwidth(bandwidth, where), seed },
    loss: readShare('loss', loss, where),
    duplicate: readShare('duplicate', duplicate, where),
    reorder: readShare('reorder', reorder, where),
  }
}

function readBandwidth(words: string | number, where: string): number {
  const [, number = '', unit = ''] = /^([\d.]+) ?([kmg]?)(?:bit(?:\/s|ps)?)?$/i.exec(String(words)) ?? []
  const bandwidth = Number(number) * BITS[unit.toLowerCase()]
  if (number !== '' && bandwidth >= LEAST_BANDWIDTH && bandwidth <= MOST_BANDWIDTH) return bandwidth
  throw new OptionError(`${where}: bandwidth '${words}' is none from 10kbit to 100Gbit; write it as in '100Mbit'`)
}

function readShare(name: string, words: string | number, where: string): number {
  const text = String(words)
  const share = text.endsWith('%') ? Number(text.slice(0, -1) || Number.NaN) / 100 : Number(text || Number.NaN)
  if (share >= 0 && share <= 1) return share
  throw new OptionError(`${where}: ${name} '${words}' is no share of all frames; write it as in '1%', or 0.01`)
}
