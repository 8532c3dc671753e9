/** `bootwright stages ls|show|rm|gc|push|pull`: the stages that are kept from run to run, and between hosts. */
import { mkdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { Command, Option } from 'commander'
import { type KeptStage, keptStages, outdated, removeLeftovers, removeStage } from '../../stages/kept-stages.js'
import { type StoredStage, stageStore } from '../../stages/stage-exchange.js'
import { stagesFolder } from '../../stages/stage-store.js'
import { snapshotSummary } from '../../thread/snapshot-files.js'
import { tryParseDuration } from '../../units/durations.js'
import { nearest } from '../../words/nearest.js'
import { EXIT, UsageError } from '../errors.js'
import { paragraphs } from '../help.js'
import { withPath } from '../outputs.js'

const HELP = `
Stages are kept in node_modules/.cache/bootwright, or where BOOTWRIGHT_CACHE says. One that is removed is built again
when a test needs it.`

/** Days that a stage is kept without being used. */
const DAYS = 30
const DAY_NS = 86_400e9

export function stagesCommand(): Command {
  const all = new Command('stages').description('list, remove and copy the stages that are kept for tests')
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
  const show = new Command('show')
    .description('say what is in one: its machine, its media, and when it was saved')
    .argument('<stage>', 'its name, or the first digits of its key')
    .action(async (name: string) => {
      for (const stage of named(name)) await describe(stage)
    })
  const push = new Command('push')
    .description('copy stages to a folder, or to a server by HTTP PUT; those that are there already are left out')
    .argument('<place>', 'a folder, or an address')
    .argument('[stages...]', 'names or keys; all of them by default')
    .action((place: string, names: string[]) => pushTo(place, names))
  const pull = new Command('pull')
    .description('copy stages from there')
    .argument('<place>', 'a folder, or an address')
    .argument('[stages...]', 'names or keys; all of them by default')
    .action((place: string, names: string[]) => pullFrom(place, names))
  for (const command of [ls, show, rm, gc, push, pull]) all.addCommand(command)
  return all.addHelpText('after', () => paragraphs(HELP))
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

async function describe(stage: KeptStage): Promise<void> {
  const { inputs, engine, cpus, memory, guestTimeNs, instructions } = await snapshotSummary(stage.file)
  console.log(`${words(stage)}, used ${date(stage.used)}`)
  const machine = `${engine}, ${cpus} CPU${cpus === 1 ? '' : 's'}, ${size(memory)} of memory`
  console.log(`  saved at ${(guestTimeNs / 1e9).toFixed(1)} s of guest time, ${instructions} instructions; ${machine}`)
  for (const { what, path, size: bytes, sha256 } of inputs)
    console.log(`  ${what}: ${path}, ${size(bytes)}, SHA-256 ${sha256.slice(0, 12)}…`)
}

async function pushTo(place: string, names: readonly string[]): Promise<void> {
  const store = stageStore(place)
  const stages = names.length > 0 ? [...new Set(names.flatMap(named))] : keptStages(stagesFolder())
  const there = new Set((await store.list()).map(({ key }) => key))
  await copyAll(stages, there, 'pushed', (stage) => store.put(stage))
}

async function pullFrom(place: string, names: readonly string[]): Promise<void> {
  const store = stageStore(place)
  const folder = stagesFolder()
  await store.check()
  const all = await store.list()
  const fits = (name: string) => (stage: StoredStage) =>
    stage.name === name || (name.length >= 4 && stage.key.startsWith(name))
  for (const name of names) if (!all.some(fits(name))) throw new UsageError(`there is no stage '${name}' in ${place}`)
  const stages = names.length > 0 ? all.filter((stage) => names.some((name) => fits(name)(stage))) : all
  const here = new Set(keptStages(folder).map(({ key }) => key))
  await mkdir(folder, { recursive: true })
  await copyAll(stages, here, 'pulled', (stage) => store.get(stage, join(folder, basename(stage.file))))
}

async function copyAll<T extends StoredStage>(
  stages: readonly T[],
  there: ReadonlySet<string>,
  done: string,
  copy: (stage: T) => Promise<void>,
): Promise<void> {
  let bytes = 0
  let copied = 0
  for (const stage of stages) {
    if (there.has(stage.key)) {
      console.log(`there already: ${words(stage)}`)
      continue
    }
    await copy(stage)
    copied++
    bytes += stage.bytes
    console.log(`${done} ${words(stage)}`)
  }
  if (stages.length === 0) console.log('there are no stages to copy')
  else if (copied > 1) console.log(`${size(bytes)} in all`)
}

const words = ({ name, key, bytes }: StoredStage) => `${name} (${key.slice(0, 8)}), ${size(bytes)}`
const size = (bytes: number) => `${(bytes / 1048576).toFixed(1)} MiB`
const date = (when: Date) => when.toISOString().slice(0, 16).replace('T', ' ')
