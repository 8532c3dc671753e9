/** `bootwright compare`: the first instruction at which two recorded runs part. */
import { Command } from 'commander'
import { printable, printableJson } from '../../../reports/printable.js'
import { findParting, type Parted, type Parting } from '../../runtime/recordings/parting.js'
import type { Recorded } from '../../runtime/recordings/recorder.js'
import { placeWords } from '../../words/place-words.js'
import { complain } from '../errors.js'
import { ensureFirmware } from '../firmware.js'
import { paragraphs } from '../help.js'
import { errorJson } from '../run-report.js'

/** As `cmp` and `diff` have it. */
const SAME = 0
const DIFFERENT = 1
const TROUBLE = 2
/** Registers that are shown. */
const MOST_REGISTERS = 24
const NAMES = ['A', 'B'] as const
const BEHIND = 'behind it'

export function compareCommand(): Command {
  return new Command('compare')
    .description('find the first instruction at which two recorded runs part')
    .argument('<a>', "what 'bootwright run --record' wrote")
    .argument('<b>', 'the other one')
    .option('--json', 'print one JSON object on standard output')
    .addHelpText('after', () => paragraphs(HELP))
    .action(async (a: string, b: string, flags: { json?: boolean }) => {
      process.exitCode = await compare([a, b], flags.json === true)
    })
}

const HELP = `
Both are replayed side by side, in ever shorter strides between the last moment at which their CPUs are alike and the
first at which they are not. They may be of two kernels or disks, which are compared from the kernel's first instruction on;
machines have to be the same. What follows within a millisecond of guest time and leaves no trace in any register may be
missed where files differ.

Exit codes, as cmp's: 0 the runs are the same, 1 they differ, 2 trouble.`

async function compare(paths: readonly [string, string], json: boolean): Promise<number> {
  try {
    await ensureFirmware()
    const found = await findParting(paths)
    const exitCode = found.outcome === 'same' && found.files.length === 0 ? SAME : DIFFERENT
    if (json) console.log(printableJson({ format: 'bootwright-compare', version: 1, ...found, exitCode }, 2))
    else console.log(printable(lines(found).join('\n')))
    return exitCode
  } catch (error) {
    if (json) console.log(printableJson({ ...errorJson(error), exitCode: TROUBLE }, 2))
    complain(error)
    return TROUBLE
  }
}

const count = (number: number) => number.toLocaleString('en-US')
const seconds = (ns: number) => `${(ns / 1e9).toFixed(6)} s of guest time`

function lines(found: Parting): string[] {
  if (found.outcome === 'machines') return [found.why]
  const { files, inputs, instructions, guestTimeNs } = found
  const where = `${count(instructions)} instructions, ${seconds(guestTimeNs)}`
  const notes = [...files, ...(inputs ? [inputWords(inputs)] : [])]
  switch (found.outcome) {
    case 'same':
      return [...notes, `the runs are the same: ${where}`]
    case 'shorter':
      return [...notes, `${NAMES[found.which]} ends after ${where}; the other goes on, and is the same up to there`]
    case 'state':
      return [...notes, `they executed the same, ${where}, and end with other contents of ${found.parts.join(', ')}`]
    case 'parted':
      return [...notes, ...partedLines(found)]
  }
}

function partedLines({ instructions, since, guestTimeNs, cpu, sides, registers }: Parted): string[] {
  const from = since === 'the kernel' ? "since the kernel's first one" : 'since power-on'
  const own = sides.map(
    ({ at, code, instruction, next }, i) =>
      `  ${NAMES[i]}: ${at.address} ${placeWords(at)}: ${code.replace(/..(?=.)/g, '$& ')}  ${instruction}; then ${next.address} ${placeWords(next)}`,
  )
  const shown = registers.slice(0, MOST_REGISTERS)
  const widths = [0, 1].map((i) =>
    Math.max(...shown.map(({ name, values }) => (i ? values[0] : name).length), BEHIND.length),
  )
  const table = shown.map(({ name, values: [a, b] }) => `  ${name.padEnd(widths[0])}  ${a.padEnd(widths[1])}  ${b}`)
  return [
    `they part at the instruction after ${count(instructions)} ${from}, ${seconds(guestTimeNs)}, on CPU ${cpu}:`,
    ...own,
    ...(table.length > 0 ? [`  ${BEHIND.padEnd(widths[0])}  ${'A'.padEnd(widths[1])}  B`, ...table] : []),
    ...(registers.length > shown.length ? [`  and ${registers.length - shown.length} registers more`] : []),
  ]
}

function inputWords(inputs: readonly [Recorded | undefined, Recorded | undefined]): string {
  const [a, b] = inputs.map((one) => {
    if (!one) return 'nothing'
    const { at, instructions: _, ...rest } = one
    return `${JSON.stringify('event' in rest ? rest.event : rest).slice(0, 120)} at ${(at / 1e9).toFixed(6)} s`
  })
  return `the first input that differs: A ${a}, B ${b}`
}
