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

/** More are not kept. */
const MOST_WAITING = 2

/** Those that have not ended: where each may be kept from ending, and what it was made with and does not see change. */
const threads = new Map<Worker, { door: Int32Array; madeWith: string }>()
/** Those that wait for a machine: begun early, or left by a machine that was closed. */
const waiting = new Set<Worker>()

/** Begins a thread for the next machine. What is wrong with it is told to whoever asks for it. */
export function beginThread(): void {
  try {
    if (waiting.size === 0) keep(newThread())
  } catch {
    return
  }
}

/**
 * A thread whose machine was closed waits for the next one, for which V8 has all code compiled. False where it is not
 * wanted and is to be ended.
 */
export function leaveThread(worker: Worker): boolean {
  if (waiting.size >= MOST_WAITING || !threads.has(worker)) return false
  keep(worker)
  return true
}

/**
 * A thread that waits, or a new one. It makes its machine when it is sent a `WorkerStart`.
 * @param inParts As its many files: where its stacks or parts of it are wanted.
 * @throws InfrastructureError where it has not been built.
 */
export function takeThread(inParts: boolean): Worker {
  if (inParts) return newThread(inParts)
  for (const worker of waiting) {
    release(worker)
    worker.ref()
    if (threads.get(worker)?.madeWith === circumstances()) return worker
    void endThread(worker)
  }
  return newThread()
}

/** Ends those that nobody has taken. */
export function endWaiting(): void {
  for (const worker of waiting) {
    release(worker)
    void endThread(worker)
  }
}

/** Ends a thread, whatever it does. Resolves when it has ended. */
export async function endThread(worker: Worker): Promise<void> {
  const door = threads.get(worker)?.door
  if (door) closeDoor(door)
  await worker.terminate()
}

function keep(worker: Worker): void {
  waiting.add(worker)
  worker.unref()
  worker.on('error', forgetEnded).on('exit', forgetEnded)
}

function release(worker: Worker): void {
  waiting.delete(worker)
  worker.off('error', forgetEnded).off('exit', forgetEnded)
}

/** A thread that waits has ended. */
function forgetEnded(): void {
  for (const worker of waiting) if (!threads.has(worker)) waiting.delete(worker)
}

function newThread(inParts = false): Worker {
  const workerData: ThreadData = { door: newDoor() }
  const worker = new Worker(workerFile(inParts), { execArgv: [], workerData })
  if (threads.size === 0) process.on('exit', closeDoors)
  threads.set(worker, { door: workerData.door, madeWith: circumstances() })
  return worker.once('exit', () => {
    threads.delete(worker)
    if (threads.size === 0) process.off('exit', closeDoors)
  })
}

/** A thread has the environment and the build of when it was made. */
function circumstances(): string {
  const file = workerFile(false)
  return JSON.stringify([file, statSync(file).mtimeMs, process.env])
}

/** A process that ends, ends its threads. */
function closeDoors(): void {
  for (const { door } of threads.values()) closeDoor(door)
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
  return isNew ? join(folder, 'harness/runtime/bundled-worker.cjs') : file
}

/** A file of dist/, by its path there. */
export function compiledFile(path: string): URL {
  const isSource = fileURLToPath(import.meta.url).endsWith('.ts')
  return new URL(`${isSource ? '../../dist' : '../..'}/${path}`, import.meta.url)
}
