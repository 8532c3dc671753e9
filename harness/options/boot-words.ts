/** QEMU's `-boot`: letters alone, or `order=dc,menu=on,splash-time=5000`, with `fd-check=off` for its `-no-fd-bootchk`. */
import type { MachineConfig } from '../config/machine-config.js'
import { nearest } from '../words/nearest.js'
import { OptionError } from './option-error.js'

/** The largest value of SeaBIOS's file, which has 16 bits in QEMU. */
const LONGEST_MENU_MS = 0xffff
const PARTS = ['order', 'menu', 'splash-time', 'fd-check']

export type BootConfig = Pick<MachineConfig, 'bootOrder' | 'bootMenu' | 'floppyCheck'>

/**
 * @param where What it belongs to, for errors: `--boot`.
 * @throws OptionError
 */
export function parseBoot(text: string, where: string): BootConfig {
  const wrong = (what: string) => new OptionError(`${where} '${text}'${what}`)
  if (!/[=,]/.test(text)) return { bootOrder: checkOrder(text, wrong) }
  const given = new Map<string, string>()
  for (const part of text.split(',')) {
    const [name, value] = part.includes('=') ? part.split(/=(.*)/s, 2) : ['order', part]
    if (!PARTS.includes(name)) {
      const near = nearest(name, PARTS)
      throw wrong(
        `: there is no '${name}'; ${near ? `did you mean '${near}'? ` : ''}it takes order=, menu=on, splash-time= and fd-check=off`,
      )
    }
    if (given.has(name)) throw wrong(` has ${name} twice`)
    given.set(name, value)
  }
  const onOff = (name: string, absent: 'on' | 'off') => {
    const value = given.get(name) ?? absent
    if (value !== 'on' && value !== 'off') throw wrong(`: ${name} is on or off, not '${value}'`)
    return value === 'on'
  }
  const order = given.get('order')
  const menu = onOff('menu', 'off')
  const check = onOff('fd-check', 'on')
  const time = given.get('splash-time')
  if (time !== undefined && !menu) throw wrong(': splash-time is how long the menu is offered; add menu=on')
  if (time !== undefined && !(/^\d+$/.test(time) && Number(time) <= LONGEST_MENU_MS))
    throw wrong(`: splash-time is in milliseconds, 0 to ${LONGEST_MENU_MS}, not '${time}'`)
  return {
    ...(order !== undefined && { bootOrder: checkOrder(order, wrong) }),
    ...(menu && { bootMenu: { waitMs: time === undefined ? undefined : Number(time) } }),
    ...(!check && { floppyCheck: false }),
  }
}

function checkOrder(order: string, wrong: (what: string) => Error): string {
  if (/^[acdn]+$/.test(order) && new Set(order).size === order.length && order.length <= 3) return order
  throw wrong(' is no boot order; give one to three different letters of a (floppy), c (disk), d (CD), n (network)')
}
