/**
 * The line of the user's program that an error belongs to. What goes wrong with a machine goes wrong in another thread
 * or behind a queue, where the stack says nothing of who asked; so the stack is kept when something is asked.
 */
import { fileURLToPath } from 'node:url'

/** Frames of the harness tell its users nothing: compiled, bundled, or as maps of its sources name them. */
const HERE = (
  import.meta.url.includes('/dist/harness/')
    ? ['../', '../../bundle/', '../../../harness/']
    : ['../', '../../dist/bundle/', '../../dist/harness/']
)
  .map((path) => new URL(path, import.meta.url))
  .flatMap((url) => [url.href, fileURLToPath(url)])
/** Nor do those of JavaScript itself, of what runs the tests, and of ours by the name that the bundles have in stacks. */
const OTHERS = /node:internal|[/\\]node_modules[/\\](@?vitest|chai|bootwright)[/\\]|\(<anonymous>\)$/
/** Calls inside the harness lie between the machine and the user's line. */
const DEPTH = 50

/** Where the present function was called from; as an object of V8, because most are never read. */
export interface CallSite {
  readonly stack?: string
}

export function callSite(): CallSite {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = DEPTH
  const site = new Error()
  Error.stackTraceLimit = stackTraceLimit
  return site
}

/** The error with the stack of the call: the user's line first, no frame of the harness or of what runs the tests. */
export function at(site: CallSite, thrown: unknown): unknown {
  if (!(thrown instanceof Error)) return thrown
  const asked = usersFrames(site.stack ?? '')
  if (asked.length === 0) return thrown
  const { stack = '', message } = thrown
  const begin = stack.indexOf(message)
  const own = usersFrames(begin < 0 ? stack : stack.slice(begin + message.length))
  const frames = new Set([...asked, ...own])
  thrown.stack = [`${thrown.name}: ${message}`, ...frames].join('\n')
  return thrown
}

/** Does what was asked for; what goes wrong in it belongs to the line that asked. */
export async function asked<T>(action: () => Promise<T>): Promise<T> {
  const site = callSite()
  try {
    return await action()
  } catch (error) {
    throw at(site, error)
  }
}

/** A stack without frames of ours, where the user's own are in it. */
export function usersStack(stack: string): string {
  const frames = usersFrames(stack)
  const begin = stack.search(/^\s+at /m)
  return frames.length === 0 || begin < 0 ? stack : stack.slice(0, begin) + frames.join('\n')
}

function usersFrames(stack: string): string[] {
  const frames = stack.split('\n').filter((line) => /^\s+at /.test(line))
  if (process.env.BOOTWRIGHT_DEBUG === '1') return frames
  return frames.filter((line) => !OTHERS.test(line) && !HERE.some((folder) => line.includes(folder)))
}
