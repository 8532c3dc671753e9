/** `bootwright worker`: boots guests, and runs tests, for those who put them into a queue. */
import { randomUUID } from 'node:crypto'
import { hostname, totalmem } from 'node:os'
import { Command } from 'commander'
import { kvmAccess } from '../../../machine/cpu/kvm/access.js'
import { printable } from '../../../reports/printable.js'
import { type Guest, GuestError, guestNames, loadGuest } from '../../guest/guest.js'
import { definitionHash, lacksMedia } from '../../guest/guest-offer.js'
import { versionName } from '../../guest/matrix-run.js'
import type { WorkerCard } from '../../queue/queue-data.js'
import { parseByteSize } from '../../units/memory-size.js'
import { EXIT, UsageError } from '../errors.js'
import { ensureFirmware } from '../firmware.js'
import { paragraphs } from '../help.js'
import { atATime } from '../matrix/matrix-jobs.js'
import { queueAddress } from '../matrix/queue-options.js'
import { performTask } from '../matrix/worker-tasks.js'
import { hasVitest } from '../vitest-run.js'

const MIB = 1 << 20
/** What machines may have of the host's memory, where nothing is said. */
const SHARE = 0.75
/** How often it is looked whether media have come or gone, ms. */
const LOOK_EVERY = 60_000
const LONGEST_REASON = 300

interface WorkerFlags {
  queue?: string
  jobs?: number
  memory?: number
}

export function workerCommand(): Command {
  return new Command('worker')
    .description('boot guests and run tests for those who put them into a queue')
    .argument('[guests...]', "guests of one's own by path, beside the project's")
    .option('--queue <address>', 'a Redis or Valkey, as redis://HOST:6379 (default: BOOTWRIGHT_QUEUE)', queueAddress)
    .option('--jobs <n>', 'how many at a time (default: by the CPUs, at most 4)', parseJobs)
    .option('--memory <size>', "for all machines together, as 8G (default: three quarters of the host's)", parseMemory)
    .addHelpText('after', () => paragraphs(HELP))
    .action(async (guests: string[], flags: WorkerFlags) => {
      process.exitCode = await work(guests, flags)
    })
}

const HELP = `
Those who put work in are 'bootwright matrix --queue' and 'bootwright test --queue'. A worker takes guests whose media
it has, that fit into its memory, and on kvm where it has that; of tests those of the project in whose folder it was
started. Nothing is run that it does not have itself, and it has to be of the same version as who asks. What it was at
when it is stopped goes back into the queue; what it was at when it dies is done by another.

Exit codes: 0 it was stopped, 2 wrong options, 3 the queue is not there or of another version, or the host lacks something.`

async function work(paths: readonly string[], flags: WorkerFlags): Promise<number> {
  const address = flags.queue ?? process.env.BOOTWRIGHT_QUEUE
  if (!address) throw new UsageError('a worker needs a queue: give --queue redis://HOST:6379')
  const guests = await ownGuests(paths)
  await ensureFirmware()
  let card = await makeCard(guests, flags)
  const { QueueWorker } = await import('../../queue/queue-worker.js')
  const say = (words: string) => process.stderr.write(`bootwright: ${words}\n`)
  const worker = await QueueWorker.start(address, {
    card: () => card,
    perform: (task, tools) => performTask(guests, task, tools, (line) => console.log(printable(line))),
    say,
  })
  const look = setInterval(() => {
    makeCard(guests, flags, card.id).then(
      (now) => {
        card = now
      },
      () => {},
    )
  }, LOOK_EVERY)
  console.log(cardWords(card, guests.size))
  await new Promise((done) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, done)
  })
  clearInterval(look)
  await worker.stop()
  return EXIT.ok
}

async function ownGuests(paths: readonly string[]): Promise<ReadonlyMap<string, Guest>> {
  const guests = new Map<string, Guest>()
  for (const name of new Set([...guestNames(), ...paths])) {
    const guest = await loadGuest(name)
    if (guests.has(guest.name))
      throw new GuestError(`two of the guests are called '${guest.name}'; give one of them another name`)
    guests.set(guest.name, guest)
  }
  return guests
}

async function makeCard(
  guests: ReadonlyMap<string, Guest>,
  { jobs = atATime(), memory }: WorkerFlags,
  id: string = randomUUID(),
): Promise<WorkerCard> {
  const can: WorkerCard['guests'] = {}
  const lacks: WorkerCard['lacks'] = {}
  for (const [name, guest] of guests) {
    const words = await lacksMedia(guest)
    if (words === undefined) can[name] = definitionHash(guest)
    else lacks[name] = words.slice(0, LONGEST_REASON)
  }
  const limit = process.constrainedMemory?.() ?? 0
  const whole = limit > 0 && limit < totalmem() ? limit : totalmem()
  return {
    ...{ id, host: hostname(), version: versionName(), jobs, memory: memory ?? Math.floor(whole * SHARE) },
    ...{ kvm: kvmAccess() === undefined, guests: can, lacks, tests: hasVitest() },
  }
}

function cardWords({ jobs, memory, kvm, guests, tests }: WorkerCard, known: number): string {
  const parts = [
    `${jobs} at a time`,
    `${Math.floor(memory / MIB)} MiB for machines`,
    kvm ? 'KVM' : 'no KVM',
    `media of ${Object.keys(guests).length} of ${known} guests`,
    ...(tests ? ["this project's tests"] : []),
  ]
  return `Ready: ${parts.join(', ')}`
}

function parseJobs(value: string): number {
  const jobs = Number(value)
  if (/^\d+$/.test(value) && jobs >= 1 && jobs <= 64) return jobs
  throw new UsageError(`--jobs '${value}' is no number of tasks; give one from 1 to 64`)
}

function parseMemory(value: string): number {
  try {
    return parseByteSize(value, '--memory')
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}
