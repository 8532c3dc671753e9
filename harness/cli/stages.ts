/** `bootwright stages ls|rm|gc`: the stages that are kept from run to run. */
import { Command, Option } from 'commander'
import { type KeptStage, keptStages, outdated, removeLeftovers, removeStage } from '../stages/kept-stages.js'
import { stagesFolder } from '../stages/stage-store.js'
import { tryParseDuration } from '../units/durations.js'
import { nearest } from '../words/nearest.js'
import { EXIT, UsageError } from './errors.js'
import { paragraphs } from './help.js'
import { withPath } from './outputs.js'

const HELP = `
Stages are kept in node_modules/.cache/bootwright, or where BOOTWRIGHT_CACHE says. One that is removed is built again
when a test needs it.`

/** Days that a stage is kept without being used. */
const DAYS = 30
const DAY_NS = 86_400e9

export function stagesCommand(): Command {
  const all = new Command('stages').description('list and remove the stages that are kept for tests')
  const ls = new Command('ls')
    .description('list them: name, key, size, when each was used last')
    .option('--json', 'as JSON')
    .action(({ json }: { json?: boolean }) => list(json === true))
  const rm = new Command('rm')
    .description('remove stages by name or by the first digits of their key')
    .argument('<stages...>', 'names or keys')
    .action((names: string[]) => remove(names.flatMap(named)))
  const gc = new Command('gc')
    .description('remove those that were built anew since, and those not used for long')
    .addOption(
      new Option('--unused <days>', 'days without use, or a duration such as 12h')
        .argParser(parseUnused)
        .default(DAYS * DAY_NS, String(DAYS)),
    )
    .option('--dry-run', 'only say what would be removed')
    .action(({ unused, dryRun }: { unused: number; dryRun?: boolean }) => {
      const folder = stagesFolder()
      const old = outdated(keptStages(folder), new Date(Date.now() - unused / 1e6))
      if (!dryRun) removeLeftovers(folder)
      remove(old, dryRun)
    })
  for (const command of [ls, rm, gc]) all.addCommand(command)
  return all
    .addHelpText('after', () => paragraphs(HELP))
    .action(() => {
      throw new UsageError("'bootwright stages' lists or removes: say ls, rm or gc")
    })
}

function parseUnused(value: string): number {
  const ns = /^\d+(\.\d+)?$/.test(value) ? Number(value) * DAY_NS : tryParseDuration(value)
  if (ns === undefined) throw new UsageError(`--unused '${value}' is no number of days; give one, or a duration as 12h`)
  return ns
}

function list(json: boolean): void {
  const stages = keptStages(stagesFolder())
  if (json) {
    console.log(JSON.stringify(stages, undefined, 2))
    return
  }
  if (stages.length === 0) console.log(`there are no stages in ${stagesFolder()}`)
  else for (const stage of stages) console.log(`${words(stage)}, used ${date(stage.used)}${stage.busy ? ', busy' : ''}`)
}

function named(name: string): KeptStage[] {
  const stages = keptStages(stagesFolder())
  const fits = stages.filter((stage) => stage.name === name || (name.length >= 4 && stage.key.startsWith(name)))
  if (fits.length > 0) return fits
  const near = nearest(
    name,
    stages.map((stage) => stage.name),
  )
  const hint = near ? `did you mean '${near}'?` : "'bootwright stages ls' lists what there is"
  throw new UsageError(`there is no stage '${name}' in ${stagesFolder()}; ${hint}`)
}

function remove(stages: readonly KeptStage[], dryRun = false): void {
  let bytes = 0
  for (const stage of new Set(stages)) {
    try {
      if (!dryRun && !removeStage(stage)) {
        process.stderr.write(`bootwright: the stage '${stage.name}' is being built or read; it is left\n`)
        process.exitCode = EXIT.failed
        continue
      }
    } catch (error) {
      throw withPath(error, stage.file)
    }
    bytes += stage.bytes
    console.log(`${dryRun ? 'would remove' : 'removed'} ${words(stage)}`)
  }
  if (stages.length !== 1) console.log(`${stages.length === 0 ? 'nothing to remove' : `${size(bytes)} in all`}`)
}

const words = ({ name, key, bytes }: KeptStage) => `${name} (${key.slice(0, 8)}), ${size(bytes)}`
const size = (bytes: number) => `${(bytes / 1048576).toFixed(1)} MiB`
const date = (when: Date) => when.toISOString().slice(0, 16).replace('T', ' ')
