/** Requests to a machine's thread, and its answers, by their numbers. */
import type { MessagePort, Worker } from 'node:worker_threads'
import type { Command, ControlMessage, Request } from '../protocol/messages.js'
import { InfrastructureError } from './errors.js'

interface Waiting {
  resolve: (value: never) => void
  reject: (error: Error) => void
}

export class Correspondence {
  /** Of the last request. */
  lastId = 0
  /** Why nobody will answer any more. */
  failure: Error | undefined
  /** The machine takes nothing more. */
  private isClosed = false
  private readonly waiting = new Map<number, Waiting>()
  /** Asked while a script runs, and not answered yet. */
  private readonly meanwhile = new Map<number, Request>()

  /** @param control Is read also while a script runs. */
  constructor(
    private readonly worker: Pick<Worker, 'postMessage'>,
    private readonly control: MessagePort,
  ) {}

  ask<T>(command: Command): Promise<T> {
    const id = ++this.lastId
    const reply = this.wait<T>(id)
    this.post({ ...command, id })
    return reply
  }

  /** Answered by the script that runs. */
  askMeanwhile<T>(command: Command): Promise<T> {
    const request: Request = { ...command, id: ++this.lastId }
    this.meanwhile.set(request.id, request)
    this.tell({ kind: 'ask', request })
    return this.wait(request.id)
  }

  /** The script may have ended before it saw them; a second answer is not heard. */
  askAgain(): void {
    for (const request of this.meanwhile.values()) this.post(request)
    this.meanwhile.clear()
  }

  tell(message: ControlMessage): void {
    this.control.postMessage(message)
  }

  /** The answer of this number; 0 is the thread's word that its machine is there. */
  wait<T>(id: number): Promise<T> {
    if (this.failure) return Promise.reject(this.failure)
    if (this.isClosed) return Promise.reject(new InfrastructureError('the machine was closed'))
    return new Promise<T>((resolve, reject) => {
      this.waiting.set(id, { resolve, reject })
    })
  }

  /** Who waits for the answer of this number, if anybody still does. */
  settle(id: number): Waiting | undefined {
    const waiting = this.waiting.get(id)
    this.waiting.delete(id)
    this.meanwhile.delete(id)
    return waiting
  }

  close(): void {
    this.isClosed = true
  }

  fail(error: Error): void {
    this.failure ??= error
    for (const { reject } of this.waiting.values()) reject(this.failure)
    this.waiting.clear()
  }

  /** The thread may be another machine's by then. */
  private post(request: Request): void {
    if (!this.isClosed) this.worker.postMessage(request)
  }
}
