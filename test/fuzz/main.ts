/** `npm run fuzz`: the command behind scripts/fuzz.js, which watches over it. */
import { parseArgs } from 'node:util'
import { findFuzzers, runFuzzer } from './run.js'

const USAGE = 'usage: npm run fuzz -- [NAME...] [--seed N] [--minutes M] [--cases N] [--size N]'

function number(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (text.trim() === '' || !(value >= 0)) throw new Error(`--${name} wants a number of 0 or more, not "${text}"`)
  return value
}

async function main(): Promise<void> {
  const option = { type: 'string' } as const
  const { values, positionals } = parseArgs({
    options: { seed: option, minutes: option, cases: option, size: option },
    allowPositionals: true,
  })
  const all = await findFuzzers()
  const unknown = positionals.filter((name) => !all.some((fuzzer) => fuzzer.name === name))
  if (unknown.length > 0)
    throw new Error(`no fuzzer named ${unknown.join(', ')}; there are ${all.map(({ name }) => name).join(', ')}`)
  const seed = (number('seed', values.seed) ?? Date.now()) >>> 0
  const cases = number('cases', values.cases)
  const minutes = number('minutes', values.minutes) ?? (cases === undefined ? 1 : undefined)
  const size = number('size', values.size)
  for (const fuzzer of all) {
    if (positionals.length > 0 && !positionals.includes(fuzzer.name)) continue
    const why = fuzzer.skip?.()
    if (why !== undefined) {
      console.log(`${fuzzer.name}: skipped: ${why}`)
      continue
    }
    try {
      const result = await runFuzzer(fuzzer, {
        seed,
        size,
        cases,
        milliseconds: minutes === undefined ? undefined : minutes * 60_000,
        onCase: (caseSeed) => process.send?.({ name: fuzzer.name, seed: caseSeed }),
      })
      const { slowest } = result
      const memory = Math.round(process.resourceUsage().maxRSS / 1024)
      const units = fuzzer.unit ? ` (${result.units} ${fuzzer.unit})` : ''
      console.log(
        `${fuzzer.name}: ${result.cases} cases${units} from seed ${seed}, none failed; the slowest, ${slowest.seed}, took ${Math.round(slowest.milliseconds)} ms; ${memory} MB at most`,
      )
    } catch (error) {
      console.log((error as Error).message)
      process.exitCode = 1
    }
    await fuzzer.close?.()
  }
}

try {
  await main()
} catch (error) {
  console.error(`${(error as Error).message}\n${USAGE}`)
  process.exitCode = 2
}
// The channel to the watcher would keep the process alive.
if (process.connected) process.disconnect()
