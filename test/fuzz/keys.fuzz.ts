/** Boot commands of pieces of the language and of noise: steps that a machine can do, or an error that shows where. */
import { type BootStep, parseBootCommand } from '../../harness/keys/boot-command.js'
import type { Random } from '../random.js'
import { type Fuzzer, FuzzFailure, shrink } from './fuzzer.js'

const PIECES = [
  ...['<', '>', '<<', '<enter>', '<wait>', '<wait5>', '<wait10s>', '<wait1h>', '<waitForever>', '<wait 99999999999h>'],
  ...[
    "<wait '",
    "'>",
    "<wait 'a' 5s>",
    '<wait /',
    '(',
    '[',
    '\\',
    '{{',
    '}}',
    '{{ .HTTPURL }}',
    '<bs22>',
    '<bs999999999>',
  ],
  ...[
    '<leftCtrlOn>',
    '<leftCtrlOff>',
    '<f1>',
    '<f99>',
    '<spacebar>',
    '<Enter>',
    '<rightAltOn>c<rightAltOff>',
    '\n',
    '\t',
  ],
  ...['é', '€', '\u0000', '\u202e', '😀', '-', '_', 'abc', 'ABC', ' ', '1', '0'],
]

function problem(text: string): string | undefined {
  let steps: BootStep[]
  try {
    steps = parseBootCommand(text)
  } catch (error) {
    const { name, message } = error as Error
    return name === 'Error' && /^[^\n]+$/.test(message) ? undefined : `${name}: ${message}`
  }
  const isSound = (value: unknown): boolean =>
    typeof value === 'number'
      ? value >= 0 && Number.isFinite(value)
      : typeof value !== 'object' || value === null || Object.values(value).every(isSound)
  return isSound(steps) ? undefined : 'a number in its steps is none'
}

function pieces(random: Random): string[] {
  return Array.from({ length: 1 + random.below(12) }, () =>
    random.chance(8) ? String.fromCodePoint(random.below(0xd800)) : random.pick(PIECES),
  )
}

const fuzzer: Fuzzer = {
  name: 'keys',
  title: 'boot commands of any text are steps or an error of one line',
  dose: 3000,
  async run(random) {
    const parts = pieces(random)
    const what = problem(parts.join(''))
    if (what === undefined) return
    const small = await shrink(parts, (some) => problem(some.join('')) !== undefined)
    throw new FuzzFailure(what, JSON.stringify(small.join('')))
  },
}

export default fuzzer
