/**
 * `npm run bench`: how fast the soft engine is, beside QEMU's TCG and v86 in the same run. Targets take turns, so that
 * what else the host does falls on all alike, and the median of several rounds counts.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { Command, CommanderError, InvalidArgumentError } from 'commander'
import { complain, EXIT, HostError, UsageError } from '../../harness/cli/errors.js'
import { BOOTS, WAITS } from './boots.js'
import { assembleKernel, instructionsOfPass, type Kernel, kernelFloppy, kernelNames } from './kernel-image.js'
import type { Measurement } from './marks.js'
import { publish } from './publish.js'
import { type BenchResult, OURS, type Rate, renderComparison, renderResult } from './report.js'
import { START } from './start-up.js'
import { TARGETS, type Target } from './targets.js'

interface Options {
  kernel: string[]
  target: string[]
  seconds: number
  rounds: number
  cpuTime: boolean
  boots: boolean
  list: boolean
  json: boolean
  save?: string
  publish: boolean
  compare?: string
}

/** MiB of a kernel's machine. */
const MEMORY = 32
/** Host ms for firmware, load and a pass, beside the time measured. */
const GRACE = 90_000
const BOOT_TIMEOUT = 900_000
const FLOPPY_BYTES = 1440 * 1024
/** A pass is made to take about this share of the time measured, so that little is lost at its ends. */
const PASS_SHARE = 1 / 16
/** A first, short run finds how long a pass takes. Host ms. */
const PROBE = { warmUp: 300, measure: 100 }

async function bench(options: Options): Promise<void> {
  if (options.cpuTime && !existsSync('/proc/self/schedstat'))
    throw new UsageError('--cpu-time needs /proc/self/schedstat, which only Linux has')
  const before = options.compare === undefined ? undefined : readResult(options.compare)
  const targets = TARGETS.filter(({ name }) => options.target.length === 0 || options.target.includes(name))
  const names = options.kernel.length > 0 ? options.kernel : kernelNames()
  const wanted = ({ name }: { name: string }) =>
    options.kernel.includes(name) || (options.boots && options.kernel.length === 0)
  const boots = [...BOOTS, ...WAITS].filter(wanted)
  const others = [...BOOTS, ...WAITS, START].map(({ name }) => name)
  const kernels = names.filter((name) => !others.includes(name)).map(assembleKernel)
  const result: BenchResult = {
    format: 2,
    date: new Date().toISOString(),
    commit: commit(),
    host: {
      cpu: cpus()[0]?.model.trim() ?? 'unknown',
      cpus: cpus().length,
      node: process.versions.node,
      load: loadavg()[0],
    },
    targets: {},
    skipped: {},
    rounds: options.rounds,
    clock: options.cpuTime ? 'cpu' : 'host',
    kernels: {},
    boots: {},
    failures: [],
  }
  for (const target of targets) {
    const version = target.version()
    if (version === undefined) result.skipped[target.name] = target.missing
    else result.targets[target.name] = version
  }
  const present = targets.filter(({ name }) => name in result.targets)
  if (present.length === 0) throw new HostError(`no target is there: ${targets.map((t) => t.missing).join('; ')}`)

  const scratch = mkdtempSync(join(tmpdir(), 'bootwright-bench-'))
  // `exit` and not `finally`: an interrupt is to leave nothing behind either.
  process.on('exit', () => rmSync(scratch, { recursive: true, force: true }))
  process.on('SIGINT', () => process.exit(EXIT.interrupted))
  process.on('SIGTERM', () => process.exit(EXIT.interrupted))

  for (const kernel of kernels) {
    const able = present.filter(({ long, avx }) => (long || !kernel.long) && (avx || !kernel.avx))
    await benchKernel(kernel, able, options, result, scratch)
  }
  for (const boot of boots) {
    const job = await boot.job(scratch).catch((error: Error) => {
      result.skipped[boot.name] = error.message
    })
    if (!job) continue
    const able = present.filter(
      ({ name, long, pictures }) =>
        (long || !job.long) && (pictures || !job.picture) && (name === OURS || job.idle === undefined),
    )
    const take = (target: Target) => target.boot(job, BOOT_TIMEOUT, join(scratch, 'screen'))
    await timeAll(boot.name, able, options, result, async (target) => (await take(target)).seconds)
  }
  if (wanted(START)) {
    const floppy = join(scratch, 'empty.img')
    writeFileSync(floppy, new Uint8Array(FLOPPY_BYTES))
    const able = present.filter(({ start }) => start)
    const take = (target: Target) => target.start?.(floppy, GRACE) ?? Promise.reject(new Error('it cannot'))
    await timeAll(START.name, able, options, result, take)
  }
  progress('')

  if (options.save !== undefined) {
    mkdirSync(dirname(resolve(options.save)), { recursive: true })
    writeFileSync(options.save, `${JSON.stringify(result, undefined, 2)}\n`)
  }
  if (options.publish) publish(result)
  if (options.json) console.log(JSON.stringify(result))
  else console.log(renderResult(result))
  if (before) {
    const comparison = renderComparison(before, result) ?? `nothing in ${options.compare} can be compared with this run`
    // With --json, standard output holds the one object.
    if (options.json) console.error(comparison)
    else console.log(`\n${comparison}`)
  }
  if (result.failures.length > 0) process.exitCode = EXIT.failed
}

/** Host seconds of each target, in turns. */
async function timeAll(
  name: string,
  targets: readonly Target[],
  options: Options,
  result: BenchResult,
  take: (target: Target) => Promise<number>,
): Promise<void> {
  const rates: { [target: string]: Rate } = {}
  result.boots[name] = rates
  for (const { target } of rounds(options.rounds, targets)) {
    progress(`${name}: ${target.title}`)
    await attempt(result, name, target, async () => add(rates, target, await take(target)))
  }
}

function add(rates: { [target: string]: Rate }, { name }: Target, value: number): void {
  rates[name] = { runs: [...(rates[name]?.runs ?? []), value] }
}

/** Of the sources, with a mark where they differ from it. */
function commit(): string {
  try {
    const git = (...args: string[]) => execFileSync('git', args, { cwd: import.meta.dirname, encoding: 'utf8' }).trim()
    return git('rev-parse', '--short=12', 'HEAD') + (git('status', '--porcelain', '-uno') ? ' and changes' : '')
  } catch {
    return 'unknown'
  }
}

async function benchKernel(
  kernel: Kernel,
  targets: readonly Target[],
  options: Options,
  result: BenchResult,
  scratch: string,
): Promise<void> {
  const rates: { [target: string]: Rate } = {}
  result.kernels[kernel.name] = rates
  const iterations = new Map<Target, number>()
  const floppy = join(scratch, 'kernel.img')
  const run = async (target: Target, count: number, time: { warmUp: number; measure: number }) => {
    writeFileSync(floppy, kernelFloppy(kernel, { iterations: count, markPort: target.markPort }))
    const job = {
      kind: 'kernel' as const,
      memory: MEMORY,
      floppy,
      long: kernel.long,
      avx: kernel.avx,
      cpuTime: options.cpuTime,
      ...time,
    }
    return target.kernel(job, GRACE + time.warmUp + time.measure)
  }

  let reference: { target: Target; marks: string } | undefined
  for (const target of targets) {
    progress(`${kernel.name}: ${target.title}, first look`)
    await attempt(result, kernel.name, target, async () => {
      const probe = await run(target, kernel.iterations, PROBE)
      checkCount(kernel, probe, kernel.iterations)
      // As many marks as both have: a slow target shows few in a short time.
      const marks = probe.firstMarks.join(' ')
      const length = Math.min(marks.length, reference?.marks.length ?? marks.length)
      if (reference && reference.marks.slice(0, length) !== marks.slice(0, length))
        throw new Error(`its results (${marks}) are not those of ${reference.target.title} (${reference.marks})`)
      reference ??= { target, marks }
      const pass = (probe.seconds * 1000) / probe.passes
      const factor = (options.seconds * 1000 * PASS_SHARE) / pass
      iterations.set(target, Math.max(1000, Math.min(0x7fffffff, Math.round(kernel.iterations * factor))))
    })
  }

  for (const { round, target } of rounds(options.rounds, targets)) {
    const count = iterations.get(target)
    if (count === undefined) continue
    progress(`${kernel.name}: ${target.title}, round ${round + 1} of ${options.rounds}`)
    await attempt(result, kernel.name, target, async () => {
      const found = await run(target, count, { warmUp: options.seconds * 500, measure: options.seconds * 1000 })
      checkCount(kernel, found, count)
      add(rates, target, (found.passes * instructionsOfPass(kernel, count)) / found.seconds / 1e6)
    })
  }
}

/** The instructions that the kernel's header says must be those that a counting engine retires. */
function checkCount(kernel: Kernel, { counted }: Measurement, iterations: number): void {
  const expected = instructionsOfPass(kernel, iterations)
  if (counted === undefined || counted === expected) return
  throw new Error(`it counted ${counted} instructions in a pass, but the kernel has ${expected}`)
}

/** Every other round goes backwards, so that no target always runs after the same one. */
function* rounds(count: number, targets: readonly Target[]): Generator<{ round: number; target: Target }> {
  for (let round = 0; round < count; round++) {
    for (const target of round % 2 ? [...targets].reverse() : targets) yield { round, target }
  }
}

/** A target that fails does not end the bench: the failure is in the report and in the exit code. */
async function attempt(result: BenchResult, what: string, target: Target, run: () => Promise<void>): Promise<void> {
  try {
    await run()
  } catch (error) {
    result.failures.push(`${what} on ${target.title}: ${(error as Error).message}`)
  }
}

function progress(line: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line}`)
}

function readResult(path: string): BenchResult {
  let result: BenchResult
  try {
    result = JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    throw new UsageError(`--compare: ${path} cannot be read (${(error as Error).message})`)
  }
  if (result?.format !== 2 || !result.kernels || !result.boots)
    throw new UsageError(`--compare: ${path} is not what --save writes`)
  return result
}

function list(): void {
  const line = (name: string, text: string) => console.log(`${name.padEnd(24)} ${text}`)
  for (const name of kernelNames()) line(name, assembleKernel(name).title)
  for (const { name, title } of [...BOOTS, ...WAITS, START]) line(name, title)
  for (const target of TARGETS) line(target.name, `${target.title} ${target.version() ?? `– ${target.missing}`}`)
}

function oneOf(known: readonly string[]) {
  return (value: string, all: string[]) => {
    if (!known.includes(value)) throw new InvalidArgumentError(`It is one of ${known.join(', ')}.`)
    return [...all, value]
  }
}

function positive(whole: boolean) {
  return (value: string) => {
    const number = Number(value)
    if (number > 0 && number <= 3600 && (!whole || Number.isInteger(number))) return number
    throw new InvalidArgumentError(`It is a ${whole ? 'whole ' : ''}number from ${whole ? 1 : 0} to 3600.`)
  }
}

const program = new Command('bench')
  .description('measures the soft engine beside QEMU TCG and v86')
  .option(
    '--kernel <name>',
    'only this kernel or boot (may be repeated)',
    oneOf([...kernelNames(), ...[...BOOTS, ...WAITS, START].map(({ name }) => name)]),
    [],
  )
  .option('--target <name>', 'only this target (may be repeated)', oneOf(TARGETS.map((t) => t.name)), [])
  .option('--seconds <n>', 'host seconds a run measures', positive(false), 1)
  .option('--rounds <n>', 'runs of each kernel on each target, of which the median counts', positive(true), 3)
  .option('--cpu-time', "on a busy Linux host: divide by the guest thread's CPU time, not by host time", false)
  .option('--boots', 'also time whole boots, idle guests and the start', false)
  .option('--publish', 'write test/bench/result.json, and its table and chart into test/bench/README.md', false)
  .option('--list', 'list kernels, boots and targets', false)
  .option('--json', 'print one JSON object instead of tables', false)
  .option('--save <file>', 'write the result for a later --compare')
  .option('--compare <file>', 'show the change against a saved run, relative to a peer that ran both times')
  .exitOverride()

try {
  program.parse()
  const options = program.opts<Options>()
  if (options.list) list()
  else await bench(options)
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage
  else process.exitCode = complain(error)
}
