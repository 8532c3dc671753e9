/**
 * A failure that a person wants to look at: says where the moment is held, and waits until it is let go on. Where nobody
 * is there who could let it, it does not wait.
 */
import { closeSync, createReadStream, openSync } from 'node:fs'
import { connect } from 'node:net'
import type { VmThread } from '../thread/machine-thread.js'
import { PausedMachine } from './paused-machine.js'

/** The environment variables by which `bootwright test` says that failures pause, and where it is told of pauses. */
export const PAUSE_VARIABLE = 'BOOTWRIGHT_PAUSE'
export const PAUSE_SOCKET_VARIABLE = 'BOOTWRIGHT_PAUSE_SOCKET'

/** Whoever sits before the terminal. */
export interface Person {
  /** Resolves when the person lets it go on; `forget` ends the wait. */
  letGo(forget: AbortSignal): Promise<void>
}

/**
 * Holds the moment, tells of it, and goes on when told. Never rejects: a pause is no part of the test.
 * @param why One line of what went wrong, where nobody has told it yet.
 */
export async function pause(
  machine: VmThread,
  what: string,
  person: Person | string,
  tell: (text: string) => void,
  why?: string,
): Promise<void> {
  if (typeof person === 'string') {
    tell(`${what} failed and is not paused: ${person}`)
    return
  }
  let held: PausedMachine
  try {
    held = await PausedMachine.open(machine, what)
  } catch (error) {
    tell(`${what} failed and cannot be paused: ${(error as Error).message}`)
    return
  }
  const forget = new AbortController()
  try {
    const lines = [
      `${what} failed and is paused: a fork of its machine stands still as it was then`,
      ...(why ? [`why:       ${why}`] : []),
      ...held.lines,
      "'cont' in the view's monitor, or 'continue' in gdb, lets the fork run; Enter here, or 'quit' in the monitor, goes on",
    ]
    tell(lines.join('\n  '))
    await Promise.race([held.whenQuit, person.letGo(forget.signal)])
  } finally {
    forget.abort()
    await held.close()
  }
}

/** Who can let a test go on, or one sentence why nobody can. */
export function personOfTest(env: NodeJS.ProcessEnv): Person | string {
  const socket = env[PAUSE_SOCKET_VARIABLE]
  if (env.CI && env.CI !== 'false') return IN_CI
  if (socket !== undefined) return { letGo: (forget) => overSocket(socket, forget) }
  return hasTerminal() ? { letGo: overTerminal } : NO_TERMINAL
}

/** The same of a command that has standard input for itself. */
export function personOfCommand(env: NodeJS.ProcessEnv, stdin: NodeJS.ReadStream): Person | string {
  if (env.CI && env.CI !== 'false') return IN_CI
  return stdin.isTTY ? { letGo: (forget) => overStream(stdin, forget) } : NO_TERMINAL
}

const IN_CI = 'the environment says CI, where nobody would let it go on'
const NO_TERMINAL = 'there is no terminal at which somebody could let it go on'

/** The command of which vitest is a child answers, or ends. */
function overSocket(path: string, forget: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(path)
    for (const end of ['data', 'close', 'error']) socket.once(end, () => resolve())
    forget.addEventListener('abort', () => socket.destroy())
  })
}

/** Of a process whose standard input is another's. */
const TERMINAL = '/dev/tty'

function hasTerminal(): boolean {
  try {
    closeSync(openSync(TERMINAL, 'r'))
    return true
  } catch {
    return false
  }
}

async function overTerminal(forget: AbortSignal): Promise<void> {
  const terminal = createReadStream(TERMINAL)
  try {
    await overStream(terminal, forget)
  } finally {
    terminal.destroy()
  }
}

/** Whatever ends a line, or the stream. */
function overStream(stream: NodeJS.ReadableStream, forget: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      stream.off('data', done)
      stream.pause()
      resolve()
    }
    stream.on('data', done)
    stream.once('end', done)
    stream.once('error', done)
    forget.addEventListener('abort', done)
    stream.resume()
  })
}
