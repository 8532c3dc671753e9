/** What counts as an answer to bad input: an error that the command would tell in a sentence of its own. */
import { complaint } from '../../harness/cli/errors.js'
import { FuzzFailure } from './fuzzer.js'

/** Longest time for one case, ms: hosts are busy, and a hang is endless. */
const LONGEST = 20_000

/**
 * Runs it; an error that nobody meant is a FuzzFailure, and so is one that took too long to come.
 *
 * @param input For a person, made only then.
 * @returns The sentence of the error, or undefined where there was none.
 */
export async function answered(work: () => unknown, input: () => string): Promise<string | undefined> {
  const began = performance.now()
  const sentence = await sentenceOf(work, input)
  const took = performance.now() - began
  if (took > LONGEST) throw new FuzzFailure(`it took ${Math.round(took)} ms`, input())
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
