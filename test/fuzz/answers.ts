/** What counts as an answer to bad input: an error that the command would tell in a sentence of its own. */
import { complaint } from '../../harness/cli/errors.js'
import { FuzzFailure } from './fuzzer.js'

/** The most of the host's processor for one case, ms; what waits for ever is found by the watcher (scripts/fuzz.js). */
const LONGEST = 20_000

/**
 * Runs it; an error that nobody meant is a FuzzFailure, and so is one that took too long to come.
 *
 * @param input For a person, made only then.
 * @returns The sentence of the error, or undefined where there was none.
 */
export async function answered(work: () => unknown, input: () => string): Promise<string | undefined> {
  const before = process.cpuUsage()
  const sentence = await sentenceOf(work, input)
  const { user, system } = process.cpuUsage(before)
  const took = (user + system) / 1000
  if (took > LONGEST) throw new FuzzFailure(`it took ${Math.round(took)} ms of the processor`, input())
  return sentence
}

async function sentenceOf(work: () => unknown, input: () => string): Promise<string | undefined> {
  try {
    await work()
    return undefined
  } catch (error) {
    if (error instanceof FuzzFailure) throw error
    const { message } = complaint(error)
    if (message.startsWith('internal error')) throw new FuzzFailure((error as Error).stack ?? message, input())
    return message
  }
}
