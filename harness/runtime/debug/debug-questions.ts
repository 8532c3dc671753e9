/** What a test asks of a machine that stands still: memory, registers, where a symbol is. */
import type { CpuState } from '../../../machine/cpu/engine.js'
import { coreFile } from '../../../machine/debug/core-file.js'
import type { MachineDebugger } from '../../../machine/debug/machine-debugger.js'
import type { ExecutedPart } from '../../../machine/debug/symbols/symbols.js'
import { HostError } from '../../../machine/errors.js'
import { OutputFile } from '../../../machine/host/output-file.js'
import type { Counts, DebugQuestion } from '../../protocol/messages.js'
import { addressOf, DebugError } from './stop-points.js'

/** One sentence: what of the host's is in the way of a core file. */
class CoreFileError extends HostError {
  override readonly name = 'CoreFileError'
}

/** Bytes that are read at once. */
const MOST_READ = 64 << 20

/** Throws a DebugError. */
export function answerDebug(
  question: DebugQuestion,
  target: MachineDebugger | undefined,
  recorded: boolean,
): Uint8Array | CpuState | Counts | ExecutedPart[] | bigint | undefined {
  if (!target) throw new DebugError('this machine has no memory that could be looked at')
  const { cpu } = question
  if (!Number.isInteger(cpu) || cpu < 0 || cpu >= target.cpus)
    throw new DebugError(`there is no CPU ${cpu}; the machine has ${target.cpus}, numbered from 0`)
  switch (question.what) {
    case 'state':
      return target.state(cpu)
    case 'address':
      return addressOf(question.where, target)
    case 'executed':
      return target.executed()
    case 'counts':
      return target.counts()
    case 'core':
      return writeCore(question.path, target)
    case 'read': {
      const { where, length, physical } = question
      if (!Number.isInteger(length) || length < 0 || length > MOST_READ)
        throw new DebugError(`${length} bytes cannot be read at once; from 0 to ${MOST_READ} can`)
      const address = addressOf(where, target)
      const bytes = physical ? readPhysical(target, Number(address), length) : target.read(cpu, address, length)
      if (bytes.length < length) throw nothingThere(address, bytes.length, physical)
      return bytes.slice()
    }
    case 'write': {
      if (recorded)
        throw new DebugError('memory cannot be written while the machine is recorded; leave out the recording')
      const { where, bytes, physical } = question
      const address = addressOf(where, target)
      const written = physical ? target.writePhysical(Number(address), bytes) : target.write(cpu, address, bytes)
      if (written < bytes.length) throw nothingThere(address, written, physical)
      return undefined
    }
  }
}

function writeCore(path: string, target: MachineDebugger): undefined {
  const file = OutputFile.replacing(path)
  try {
    for (const piece of coreFile(target)) file.write(piece)
    file.finish()
  } catch (error) {
    file.drop()
    throw unwritten(error as NodeJS.ErrnoException, path)
  }
}

const HOST_TROUBLE: { readonly [code: string]: string } = {
  ENOSPC: 'the disk is full; make room and try again',
  EDQUOT: 'the disk quota is used up; make room and try again',
  EIO: 'the host reports an input/output error; check the disk',
}

function unwritten(error: NodeJS.ErrnoException, path: string): Error {
  const reason = HOST_TROUBLE[error.code ?? '']
  return reason === undefined
    ? error
    : new CoreFileError(`the core file ${JSON.stringify(path)} was not written: ${reason}`)
}

function readPhysical({ physical }: MachineDebugger, address: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  let at = 0
  while (at < length) {
    const piece = physical.bytes(address + at, length - at)
    if (piece.length === 0) break
    bytes.set(piece, at)
    at += piece.length
  }
  return bytes.subarray(0, at)
}

function nothingThere(address: bigint, done: number, physical: boolean): DebugError {
  const at = `0x${(address + BigInt(done)).toString(16)}`
  return new DebugError(
    physical ? `no memory is at the physical address ${at}` : `no memory is mapped at ${at} by the CPU's page tables`,
  )
}
