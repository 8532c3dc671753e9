/** The `bootwright` command: one file a verb. */
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Command, CommanderError } from 'commander'
import { nearest } from '../words/nearest.js'
import { complain, EXIT, UsageError } from './errors.js'
import { withHelp } from './help.js'
import { errorJson, printJson } from './run-report.js'

/** Loaded when they are needed: the libraries of one verb take longer to load than another takes to run. */
const VERBS: { readonly [verb: string]: () => Promise<Command> } = {
  run: async () => (await import('./verbs/run.js')).runCommand(),
  replay: async () => (await import('./verbs/replay.js')).replayCommand(),
  compare: async () => (await import('./verbs/compare.js')).compareCommand(),
  codegen: async () => (await import('./verbs/codegen.js')).codegenCommand(),
  test: async () => (await import('./verbs/test.js')).testCommand(),
  'show-report': async () => (await import('./verbs/show.js')).showReportCommand(),
  'show-trace': async () => (await import('./verbs/show.js')).showTraceCommand(),
  'merge-reports': async () => (await import('./verbs/reports.js')).mergeReportsCommand(),
  accept: async () => (await import('./verbs/reports.js')).acceptCommand(),
  stages: async () => (await import('./verbs/stages.js')).stagesCommand(),
  measure: async () => (await import('./verbs/measure.js')).measureCommand(),
  explore: async () => (await import('./verbs/explore.js')).exploreCommand(),
  'bisect-time': async () => (await import('./verbs/explore.js')).bisectTimeCommand(),
  coverage: async () => (await import('./verbs/coverage.js')).coverageCommand(),
  monitor: async () => (await import('./verbs/monitor.js')).monitorCommand(),
  image: async () => (await import('./verbs/image.js')).imageCommand(),
  images: async () => (await import('./verbs/images.js')).imagesCommand(),
  devices: async () => (await import('./verbs/devices.js')).devicesCommand(),
  matrix: async () => (await import('./verbs/matrix.js')).matrixCommand(),
  worker: async () => (await import('./verbs/worker.js')).workerCommand(),
  doctor: async () => (await import('./verbs/doctor.js')).doctorCommand(),
  setup: async () => (await import('./verbs/setup.js')).setupCommand(),
  completion: async () => {
    const { completionCommand } = await import('./verbs/completion.js')
    const { guestNames } = await import('../guest/guest.js')
    return completionCommand(() => Promise.all(Object.values(VERBS).map((make) => make())), guestNames)
  },
}

/**
 * Runs the command.
 *
 * @param args Without the program's name.
 * @returns The exit code.
 */
export async function main(args: readonly string[]): Promise<number> {
  process.exitCode = undefined
  const output = watchOutput()
  const code = await perform(args)
  return (await output.ended()) ?? code
}

async function perform(args: readonly string[]): Promise<number> {
  let root: Command | undefined
  try {
    root = await program(args)
    const words = await inOurWords(args, root)
    const asked = words[0] === args[0] ? root : await program(words)
    await asked.parseAsync(words, { from: 'user' })
    return typeof process.exitCode === 'number' ? process.exitCode : EXIT.ok
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.ok
    const told = error instanceof CommanderError ? usageError(error, args, root) : error
    if (args.includes('--json')) printJson(errorJson(told))
    return complain(told)
  }
}

/**
 * What is printed may reach nobody. A reader who has gone (`| head`) changes nothing of how the command ends; a full
 * disk is an error, since what was asked for is not there.
 */
function watchOutput(): { ended(): Promise<number | undefined> } {
  let failed: NodeJS.ErrnoException | undefined
  const onError = (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') failed ??= error
  }
  const ignore = () => {}
  process.stdout.on('error', onError)
  process.stderr.on('error', ignore)
  return {
    async ended() {
      await new Promise((done) => process.stdout.write('', done))
      process.stdout.off('error', onError)
      process.stderr.off('error', ignore)
      return failed && complain(Object.assign(failed, { path: 'standard output' }))
    },
  }
}

/** `run`, `codegen` and `measure` take QEMU's options, too. */
async function inOurWords(args: readonly string[], root: Command): Promise<readonly string[]> {
  const [verb, ...rest] = args
  if (verb === undefined || !['run', 'codegen', 'measure'].includes(verb)) return args
  const { fromQemu } = await import('./qemu-options.js')
  const { joinExits } = await import('./run-options.js')
  const own = root.commands[0].options.filter(({ required }) => required)
  const takesValue = (option: string) => own.some(({ long, short }) => long === option || short === option)
  const ours = joinExits(fromQemu(rest, takesValue), takesValue)
  return askedForDevices(ours, takesValue) ?? [verb, ...ours]
}

/** QEMU's `-device help` and `-device TYPE,help`: what `devices` prints. */
function askedForDevices(args: readonly string[], takesValue: (option: string) => boolean): string[] | undefined {
  for (let i = 0; i < args.length; i++) {
    const value = args[i] === '--device' ? args[i + 1] : undefined
    if (value === 'help' || value === '?') return ['devices']
    if (value !== undefined && /,(help|\?)$/.test(value)) return ['devices', value.split(',')[0]]
    if (takesValue(args[i])) i++
  }
  return undefined
}

async function program(args: readonly string[]): Promise<Command> {
  const root = new Command('bootwright')
    .description('boots operating systems in a virtual PC of its own, drives them and says which work')
    .version(version(), '-V, --version')
    .usage('[options] <command>')
    .helpCommand(true)
    .action(() => {
      throw noCommand(undefined)
    })
  const [first] = args
  if (first !== undefined && !first.startsWith('-') && first !== 'help' && !Object.hasOwn(VERBS, first))
    throw noCommand(first)
  const wanted = Object.hasOwn(VERBS, args[0] ?? '') ? [args[0]] : Object.keys(VERBS)
  const commands = await Promise.all(wanted.map((verb) => VERBS[verb]()))
  for (const command of commands) root.addCommand(command)
  for (const command of [root, ...commands, ...commands.flatMap((verb) => verb.commands)]) {
    withHelp(command)
      .exitOverride()
      // The sentence is printed once, by main.
      .configureOutput({ writeErr: () => {} })
  }
  return root
}

function noCommand(name: string | undefined): UsageError {
  if (name === undefined) return new UsageError("no command was given; 'bootwright --help' lists them")
  const names = Object.keys(VERBS)
  const near = nearest(name, names)
  // Of QEMU's users, and of who looks for a short way.
  const isGuest = existsSync(name) || /[./]/.test(name)
  const meant = isGuest ? `run ${name}` : near
  const hint = meant ? `did you mean '${isGuest ? 'bootwright ' : ''}${meant}'?` : `commands are ${names.join(', ')}`
  return new UsageError(`there is no command '${name}'; ${hint}`)
}

/** Commander's words as one sentence. */
function usageError(error: CommanderError, args: readonly string[], root: Command | undefined): UsageError {
  const verbs = root?.commands.find((one) => one.name() === args[0])?.commands ?? []
  // It would print its help, and says no more than that.
  if (error.code === 'commander.help' && verbs.length > 0) {
    const names = verbs.map((one) => one.name())
    return new UsageError(`'bootwright ${args[0]}' needs a command: ${names.join(', ')}; its --help says what they do`)
  }
  const [words, second] = error.message.replace(/^error: /, '').split('\n')
  const first = words.replace(/ argument missing$/, ' needs a value').replace('. Expected', ': expected')
  const suggestion = /^\(Did you mean (?:one of )?(.+)\?\)$/.exec(second ?? '')?.[1]
  const command = args.find((arg) => !arg.startsWith('-'))
  const help = command === undefined ? '' : ` ${command}`
  const hint = suggestion ? `did you mean ${suggestion}?` : `'bootwright${help} --help' shows what there is`
  return new UsageError(`${first.replace(/\.$/, '')}; ${hint}`)
}

function version(): string {
  // Beside the sources, or above dist.
  const places = ['../../package.json', '../../../package.json'].map((path) =>
    fileURLToPath(new URL(path, import.meta.url)),
  )
  const file = places.find((path) => existsSync(path))
  return file ? (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version : 'unknown'
}
