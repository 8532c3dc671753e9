/** The matrix by workers at a queue: guests are tasks, and cells are put together from what workers send. */
import * as z from 'zod'
import { Cell, LevelResult } from '../../../reports/matrix/matrix-result.js'
import { count } from '../../../reports/words.js'
import type { Level } from '../../guest/guest.js'
import { definitionHash, guestMemory } from '../../guest/guest-offer.js'
import { columnOf, versionName } from '../../guest/matrix-run.js'
import type { Progress } from '../../protocol/messages.js'
import type { WorkerCard } from '../../queue/queue-data.js'
import type { Job, JobEars } from './matrix-jobs.js'

/** What a worker sends of a guest: each level when it was tried, then the cell, whose levels have no evidence. */
export const GuestPart = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('level'), level: LevelResult }),
  z.strictObject({ kind: z.literal('cell'), cell: Cell }),
])
export type GuestPart = z.infer<typeof GuestPart>

export type PerformJob = (job: Job, ears: JobEars & { reached(level: LevelResult): void }) => Promise<Cell>

export interface MatrixQueue {
  run: PerformJob
  cancel(): Promise<void>
  close(): Promise<void>
}

/** Rejects with a UsageError, or a QueueError. */
export async function openMatrixQueue(address: string, waitMs: number): Promise<MatrixQueue> {
  // Most runs need none.
  const { QueueRun } = await import('../../queue/queue-run.js')
  const say = (words: string) => process.stderr.write(`bootwright: ${words}\n`)
  const queue = await QueueRun.open(address, { version: versionName(), waitMs, say })
  console.log(workersWords(await queue.workers()))
  return {
    async run({ guest, engine, named }, ears) {
      const { name } = guest
      ears.note('waits for a worker')
      const task = { kind: 'guest' as const, guest: name, definition: definitionHash(guest), engine, named }
      const done = await queue.perform(
        { ...task, memory: guestMemory(guest) },
        {
          working({ host, level, progress }) {
            if (level !== undefined && progress) ears.progress({ name: level } as Level, progress as Progress, host)
            else ears.note(`${host} begins`)
          },
          part(data) {
            const part = GuestPart.safeParse(data)
            if (part.success && part.data.kind === 'level') ears.reached(withoutPaths(part.data.level))
          },
        },
      )
      const own = { guest: name, engine, device: columnOf(guest).id }
      const command = `bootwright matrix ${named} --engine ${engine}`
      const unmeasured = (reason: string): Cell => ({ ...own, status: 'skipped', levels: [], reason, command })
      if ('unable' in done) return unmeasured(`${done.unable}.`)
      const cell = cellOf(done.parts)
      if (!cell) return unmeasured(`the worker on ${done.host} sent what is no result.`)
      return { ...cell, ...own, command, measured: cell.measured ?? new Date().toISOString() }
    },
    cancel: () => queue.cancel(),
    close: () => queue.close(),
  }
}

function cellOf(data: readonly unknown[]): Cell | undefined {
  const parts = data.map((part) => GuestPart.safeParse(part))
  const levels = new Map<string, LevelResult>()
  let cell: Cell | undefined
  for (const { data: part } of parts) {
    if (part?.kind === 'level') levels.set(part.level.name, withoutPaths(part.level))
    if (part?.kind === 'cell') cell = part.cell
  }
  return (
    cell && { ...cell, levels: cell.levels.map((level) => ({ ...level, evidence: levels.get(level.name)?.evidence })) }
  )
}

/** A picture comes with its bytes: no file of this host is meant. */
function withoutPaths(level: LevelResult): LevelResult {
  const shot = level.evidence?.screenshot
  return shot ? { ...level, evidence: { ...level.evidence, screenshot: { ...shot, path: undefined } } } : level
}

export function workersWords(workers: readonly WorkerCard[]): string {
  if (workers.length === 0) return "No worker is at the queue yet; 'bootwright worker' starts one"
  const jobs = workers.reduce((sum, card) => sum + card.jobs, 0)
  const hosts = [...new Set(workers.map(({ host }) => host))]
  return `${count(workers.length)} ${workers.length === 1 ? 'worker' : 'workers'} on ${hosts.join(', ')}, ${jobs} guests at a time`
}
