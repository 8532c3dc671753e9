/**
 * The thread in which a machine will live. It takes as long to load as the command that starts it: so a command that is
 * going to need a machine begins it first, and its machine is made when the options have been read.
 * Node 20 loads no TypeScript in a worker, so under vitest or tsx, where this file is the source, the worker is the one
 * in `dist/`, and `npm run build` must have been run.
 */
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { closeDoor, newDoor } from '../../machine/host/native-code.js'
import type { ThreadData } from '../protocol/messages.js'
import { InfrastructureError } from './errors.js'

/** Those that have not ended, each with where it may be kept from ending. */
const doors = new Map<Worker, Int32Array>()
let begun: Worker | undefined

/** Begins a thread for the next machine. What is wrong with it is told to whoever asks for it. */
export function beginThread(): void {
  try {
    begun ??= newThread()
  } catch {
    return
  }
  begun.unref()
  begun.on('error', forget).on('exit', forget)
}

/**
 * The thread that has been begun, or a new one. It makes its machine when it is sent a `WorkerStart`.
 * @param inParts As its many files: where its stacks or parts of it are wanted.
 * @throws InfrastructureError where it has not been built.
 */
export function takeThread(inParts: boolean): Worker {
  const worker = begun
  if (!worker || inParts) return newThread(inParts)
  forget()
  worker.removeListener('error', forget).removeListener('exit', forget)
  worker.ref()
  return worker
}

/** Ends it, where nobody has taken it. */
export function endBegun(): void {
  if (begun) void endThread(begun)
  forget()
}

/** Ends a thread, whatever it does. Resolves when it has ended. */
export async function endThread(worker: Worker): Promise<void> {
  const door = doors.get(worker)
  if (door) closeDoor(door)
  await worker.terminate()
}

function forget(): void {
  begun = undefined
}

function newThread(inParts = false): Worker {
  const workerData: ThreadData = { door: newDoor() }
  const worker = new Worker(workerFile(inParts), { execArgv: [], workerData })
  if (doors.size === 0) process.on('exit', closeDoors)
  doors.set(worker, workerData.door)
  return worker.once('exit', () => {
    doors.delete(worker)
    if (doors.size === 0) process.off('exit', closeDoors)
  })
}

/** A process that ends, ends its threads. */
function closeDoors(): void {
  for (const door of doors.values()) closeDoor(door)
}

function workerFile(inParts: boolean): string {
  const folder = fileURLToPath(compiledFile(''))
  const file = join(folder, 'harness/runtime/worker.js')
  if (!existsSync(file)) throw new InfrastructureError(`${file} is missing; run 'npm run build'`)
  if (inParts || process.env.BOOTWRIGHT_DEBUG === '1') return file
  const changed = (path: string) => statSync(join(folder, path), { throwIfNoEntry: false })?.mtimeMs
  // Written by each compilation that changed something; a package has none.
  const compiled = changed('.tsbuildinfo') ?? 0
  const isNew = (changed('harness/runtime/worker.bundle.cjs') ?? -1) >= compiled
  return isNew ? join(folder, 'harness/runtime/bundled-worker.js') : file
}

/** A file of dist/, by its path there. */
export function compiledFile(path: string): URL {
  const isSource = fileURLToPath(import.meta.url).endsWith('.ts')
  return new URL(`${isSource ? '../../dist' : '../..'}/${path}`, import.meta.url)
}
