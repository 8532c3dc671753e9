/**
 * `bootwright measure`: what two kernels, guests or commits cost, in instructions. Both run on the same machine to the same
 * condition on the soft engine, so the difference is exact, and the same on every host.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { printable, printableJson } from '../../../reports/printable.js'
import { kernelEntry } from '../../config/kernel-entry.js'
import { DEFAULT_MEMORY } from '../../config/machine-config.js'
import type { Counts } from '../../protocol/messages.js'
import type { Step } from '../../protocol/script.js'
import { VmThread } from '../../thread/machine-thread.js'
import { Measured } from '../../vm/measure.js'
import { evidence } from '../../words/evidence.js'
import { complain, EXIT, HostError, UsageError } from '../errors.js'
import { kernelKind } from '../guest-argument.js'
import { paragraphs } from '../help.js'
import { machineFlags, prepareMachine } from '../machine-options.js'
import { type Act, parseRun, type RunFlags, type RunRequest } from '../run-options.js'
import { errorJson, exitCodeOf, printJson } from '../run-report.js'

interface MeasureFlags extends RunFlags {
  from?: string
  level?: string
  build?: string
  atMost?: string
}

/** What is measured, and the machine that it is measured on. */
interface Subject {
  name: string
  request: RunRequest
  from: string | undefined
}

/** Where counting begins when nothing was said: what comes before depends on the size of the file. */
const POWER_ON = 'power-on'

export function measureCommand(): Command {
  const acts: Act[] = []
  return machineFlags(new Command('measure'))
    .description('say what two kernels, guests or commits cost, in instructions, and how much they differ')
    .argument('<a>', 'a kernel, an image or a guest; with --build a commit')
    .argument('[b]', 'the other one')
    .option('--from <where>', "begin to count at this symbol or address, or at power-on (default: the kernel's entry)")
    .option('--keys <script>', "type, in Packer's boot-command language; in order with --until-...")
    .option('--until-text <regex>', "run until the screen's text matches")
    .option('--until-serial <regex>', "run until COM1's output matches")
    .option('--until-exit [exit]', 'run until the guest stops by itself (default)')
    .option('--expect-exit <code>', 'run until the guest leaves through debug-exit with this code')
    .option('--level <name>', 'run a guest up to this level (default: its top one)')
    .option(
      '--build <command>',
      'A and B are commits of the repository here: build each by this, in a folder of its own',
    )
    .option('--at-most <more>', 'fail where B takes more than that beyond A: 0.5%, or a number of instructions')
    .option('--timeout <duration>', 'host time for each run')
    .option('--guest-timeout <duration>', 'guest time for each run')
    .option('--json', 'print one JSON object on standard output')
    .addHelpText('after', () => paragraphs(HELP))
    .on('option:keys', (value: string) => acts.push({ option: 'keys', value }))
    .on('option:until-text', (value: string) => acts.push({ option: 'until-text', value }))
    .on('option:until-serial', (value: string) => acts.push({ option: 'until-serial', value }))
    .on('option:until-exit', (value: string | null) => acts.push({ option: 'until-exit', value: value ?? 'clean' }))
    .on('option:expect-exit', (value: string) => acts.push({ option: 'expect-exit', value }))
    .action(async (a: string, b: string | undefined, flags: MeasureFlags) => {
      process.exitCode = await measure(b === undefined ? [a] : [a, b], flags, acts)
    })
}

const HELP = `
Both run on the soft engine, on the machine that the options describe; the counts are exact, the same in every run and
on every host. 'measure a.elf b.elf --until-serial ready' compares two kernels; 'measure --build make --kernel
build/kernel.elf HEAD~1 HEAD' two commits.

Exit codes: 0 measured, 1 a guest did otherwise, or B takes more than --at-most, 2 wrong options or media,
3 the host lacks something, 124 time-out.`

async function measure(names: readonly string[], flags: MeasureFlags, acts: readonly Act[]): Promise<number> {
  try {
    const most = flags.atMost === undefined ? undefined : parseMore(flags.atMost)
    if (most && names.length < 2) throw new UsageError('--at-most compares two; name the other one as well')
    const measured: Measured[] = []
    for (const name of names) {
      const at = flags.build === undefined ? undefined : checkOut(name, flags.build)
      try {
        const subject = await prepare(name, flags, acts)
        const result = await run(subject)
        if (typeof result === 'number') return result
        measured.push(result)
      } finally {
        at?.remove()
      }
    }
    return report(names, measured, most, flags.json === true)
  } catch (error) {
    if (flags.json) printJson(errorJson(error))
    return complain(error)
  }
}

async function prepare(name: string, flags: MeasureFlags, acts: readonly Act[]): Promise<Subject> {
  const { from, level, build, atMost: _, ...rest } = flags
  if (rest.engine !== undefined && rest.engine !== 'soft')
    throw new UsageError(`--engine ${rest.engine} counts no instructions; leave it out, and the soft engine does`)
  const isKernel = build === undefined && kernelKind(name) !== undefined
  if (isKernel && rest.kernel !== undefined)
    throw new UsageError(`'${name}' is a kernel, and --kernel names another; leave one out`)
  const guest = build !== undefined || isKernel ? undefined : name
  const own = { ...rest, engine: 'soft', ...(isKernel && { kernel: name }) }
  const request = parseRun(guest, own, acts)
  if (level !== undefined && acts.length > 0)
    throw new UsageError('--level says how far a guest runs, and so do --keys and --until-...; leave one out')
  const steps = acts.length > 0 ? undefined : await levelsOf(name, level, guest)
  if (steps) request.steps = steps
  await prepareMachine(request)
  const { kernel, memory = DEFAULT_MEMORY } = request.machine
  const begins = from ?? (kernel && kernelEntry(kernel, memory)) ?? POWER_ON
  return { name, request, from: begins === POWER_ON ? undefined : begins }
}

/** undefined: it is no guest that has levels. */
async function levelsOf(
  name: string,
  wanted: string | undefined,
  guest: string | undefined,
): Promise<Step[] | undefined> {
  const { levelSteps, loadGuest } = await import('../../guest/guest.js')
  const { isImage } = await import('../guest-argument.js')
  if (guest === undefined || isImage(guest)) {
    if (wanted === undefined) return undefined
    throw new UsageError(`--level is for guests that have levels, and '${name}' is none`)
  }
  const { levels } = await loadGuest(guest)
  const last = wanted === undefined ? levels.length - 1 : levels.findIndex((level) => level.name === wanted)
  if (last < 0)
    throw new UsageError(`'${name}' has no level '${wanted}'; it has ${levels.map((level) => level.name).join(', ')}`)
  return levels.slice(0, last + 1).flatMap(levelSteps)
}

/** The exit code where the guest did otherwise, which is told. */
async function run({ name, request, from }: Subject): Promise<Measured | number> {
  const { steps, timeoutMs, guestTimeoutNs, failOn } = request
  const thread = await VmThread.start(request.machine)
  try {
    const limits = { hostTimeoutMs: timeoutMs, timeoutNs: guestTimeoutNs, failOn }
    const counts = () => thread.askDebug({ what: 'counts', cpu: 0 }) as Promise<Counts>
    // One that is not there is said before it is waited for.
    if (from !== undefined) await thread.askDebug({ what: 'address', cpu: 0, where: from })
    const pieces: Step[][] =
      from === undefined ? [steps] : [[{ kind: 'until', condition: { kind: 'reach', where: from } }], steps]
    let before = await counts()
    for (const piece of pieces) {
      if (piece === steps) before = await counts()
      const result = await thread.run({ steps: piece, ...limits })
      if (result.outcome === 'ok') continue
      process.stderr.write(`bootwright: ${printable(name)}: ${printable(result.error ?? '')}\n${evidence(result)}`)
      return exitCodeOf(result)
    }
    return Measured.between(before, await counts())
  } finally {
    await thread.close()
  }
}

interface More {
  text: string
  /** Beyond A's count. */
  instructions(of: number): number
}

function parseMore(text: string): More {
  const percent = /^(\d+(?:\.\d+)?)\s*%$/.exec(text)
  if (percent) return { text, instructions: (of) => Math.floor((of * Number(percent[1])) / 100) }
  if (/^\d+$/.test(text)) return { text, instructions: () => Number(text) }
  throw new UsageError(`--at-most '${text}' is neither a share as in 0.5% nor a number of instructions`)
}

const DIFFERENCE = 'difference'
const words = (count: number) => count.toLocaleString('en-US')

function report(
  names: readonly string[],
  measured: readonly Measured[],
  most: More | undefined,
  json: boolean,
): number {
  const [a, b] = measured
  const difference = b && b.instructions - a.instructions
  const isOver = most !== undefined && difference !== undefined && difference > most.instructions(a.instructions)
  const exitCode = isOver ? EXIT.failed : EXIT.ok
  if (json) {
    const runs = measured.map((one, i) => ({ name: names[i], ...one }))
    const object = { format: 'bootwright-measure', version: 1, runs, difference, exitCode }
    process.stdout.write(`${printableJson(object, 2)}\n`)
    return exitCode
  }
  const width = Math.max(DIFFERENCE.length, ...names.map((name) => name.length))
  for (const [i, { instructions, guestTimeNs, cpus }] of measured.entries()) {
    const each = cpus.length > 1 ? ` (${cpus.map((count, cpu) => `CPU ${cpu}: ${words(count)}`).join(', ')})` : ''
    const seconds = (guestTimeNs / 1e9).toFixed(6)
    console.log(`${printable(names[i].padEnd(width))}  ${words(instructions)} instructions${each}, guest ${seconds} s`)
  }
  if (difference !== undefined) {
    const share = a.instructions > 0 ? ` (${((difference / a.instructions) * 100).toFixed(4)} %)` : ''
    console.log(`${DIFFERENCE.padEnd(width)}  ${difference > 0 ? '+' : ''}${words(difference)} instructions${share}`)
  }
  if (isOver) process.stderr.write(`bootwright: that is more than --at-most ${most.text} allows\n`)
  return exitCode
}

/** Checks out and builds a commit in a folder of its own, which is the present one until it is removed. */
function checkOut(commit: string, build: string): { remove(): void } {
  const before = process.cwd()
  const folder = join(mkdtempSync(join(tmpdir(), 'bootwright-measure-')), 'tree')
  const git = (...args: string[]) => execFileSync('git', args, { cwd: before, stdio: ['ignore', 'pipe', 'pipe'] })
  const remove = () => {
    process.chdir(before)
    try {
      git('worktree', 'remove', '--force', folder)
    } catch {}
    rmSync(join(folder, '..'), { recursive: true, force: true })
  }
  try {
    git('worktree', 'add', '--detach', '--quiet', folder, commit)
  } catch (error) {
    remove()
    const { code, stderr } = error as { code?: string; stderr?: Buffer }
    if (code === 'ENOENT') throw new HostError('git is not installed here, and with --build A and B are its commits')
    const why = printable(
      String(stderr ?? '')
        .trim()
        .split('\n')
        .at(-1) ?? '',
    )
    throw new UsageError(`'${commit}' cannot be checked out here: ${why}`)
  }
  process.chdir(folder)
  const { status } = spawnSync(build, { shell: true, stdio: ['ignore', process.stderr, process.stderr] })
  if (status === 0) return { remove }
  remove()
  throw new UsageError(`--build '${build}' failed on ${commit}${status === null ? '' : ` with exit code ${status}`}`)
}
