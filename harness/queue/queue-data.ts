/**
 * What a run and its workers say to each other through a queue: plain data, checked at both ends, since whoever reaches the
 * queue can write into it. A task names what a worker has itself; no path and no program comes with it.
 */
import * as z from 'zod'

const Text = z.string().max(1000)
const Id = z.string().regex(/^[\w.-]{1,100}$/)
const Hash = z.string().regex(/^[\da-f]{64}$/)
const Bytes = z.number().int().nonnegative()

/** A task's data may be no longer, each. */
export const LARGEST_PART = 16 << 20
/** Of one task: levels of a guest, or files of a report. */
export const MOST_PARTS = 2000

export const GuestTask = z.strictObject({
  kind: z.literal('guest'),
  run: Id,
  /** The guest's name, and what its definition says. */
  guest: z.string().regex(/^[a-z0-9][a-z0-9.-]{0,99}$/),
  definition: Hash,
  engine: z.enum(['auto', 'kvm', 'soft']),
  /** How a command line names the guest, for the command that repeats it. */
  named: Text,
  /** Of the guest's machine. */
  memory: Bytes,
})
export type GuestTask = z.infer<typeof GuestTask>

export const TestTask = z.strictObject({
  kind: z.literal('test'),
  run: Id,
  /** Below the project's folder, with `/`. */
  file: Text,
  /** Of the file's contents. */
  contents: Hash,
  /** Options of vitest's that change nothing but what is run of the file. */
  options: z.array(Text).max(50),
})
export type TestTask = z.infer<typeof TestTask>

export const Task = z.discriminatedUnion('kind', [GuestTask, TestTask])
export type Task = z.infer<typeof Task>

/** How far a task is. Each time that a worker begins with it is an attempt with a name of its own. */
export const Working = z.strictObject({
  attempt: Id,
  host: Text,
  /** How many parts of the result are there to be read. */
  parts: z.number().int().min(0).max(MOST_PARTS),
  level: Text.optional(),
  progress: z
    .strictObject({
      guestTimeNs: z.number().nonnegative(),
      instructions: z.number().nonnegative(),
      hostMs: z.number().nonnegative(),
      lastLine: Text,
      phase: z.strictObject({ name: Text, percent: z.number().optional() }).optional(),
    })
    .optional(),
})
export type Working = z.infer<typeof Working>

/** What a worker returns: whose parts count. */
export const Answer = Working.pick({ attempt: true, parts: true, host: true })
export type Answer = z.infer<typeof Answer>

/** What a worker says of itself. */
export const WorkerCard = z.strictObject({
  id: Id,
  host: Text,
  version: Text,
  /** Tasks at a time. */
  jobs: z.number().int().positive(),
  /** For machines, all together. */
  memory: Bytes,
  kvm: z.boolean(),
  /** Guests that it can boot: the hash of each one's definition by name. */
  guests: z.record(z.string().max(100), Hash),
  /** Why it cannot boot those that it knows beside. */
  lacks: z.record(z.string().max(100), Text),
  /** It is in a project that has vitest. */
  tests: z.boolean(),
})
export type WorkerCard = z.infer<typeof WorkerCard>

/** What a run says of itself as long as it goes on. */
export const RunCard = z.strictObject({ id: Id, host: Text, version: Text, cancelled: z.boolean() })
export type RunCard = z.infer<typeof RunCard>

/** The host's memory that a machine takes beside its guest's. */
const OVERHEAD = 192 << 20

/** What a task takes of a worker's memory. Tests run a machine or two at a time, of which nothing is known before. */
export function memoryOf(task: Task): number {
  return task.kind === 'guest' ? task.memory + OVERHEAD : 512 << 20
}

/** Why a worker will never do a task, to be put behind its host's name; undefined where it can. */
export function whyNot(card: WorkerCard, task: Task): string | undefined {
  if (memoryOf(task) > card.memory)
    return `has ${inMib(card.memory)} for machines, and ${inMib(memoryOf(task))} are needed`
  if (task.kind === 'test') return card.tests ? undefined : 'has no project with vitest'
  const definition = Object.hasOwn(card.guests, task.guest) ? card.guests[task.guest] : undefined
  if (definition === undefined) {
    const lacks = Object.hasOwn(card.lacks, task.guest) ? card.lacks[task.guest] : undefined
    return lacks ? `says that ${lacks}` : `knows no guest '${task.guest}'; start it with the guest's path`
  }
  if (definition !== task.definition) return `has another definition of '${task.guest}'`
  if (task.engine === 'kvm' && !card.kvm) return 'has no KVM'
  return undefined
}

function inMib(bytes: number): string {
  return `${Math.floor(bytes / (1 << 20))} MiB`
}
