/** The files that a run writes: checked before it starts, so that no run is for nothing and no medium is overwritten. */
import { type Stats, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { checkOutputFile, OutputFile, UnwritableFile } from '../../machine/host/output-file.js'
import type { MachineConfig } from '../config/machine-config.js'
import { UsageError } from './errors.js'
import type { RunRequest } from './run-options.js'

/** Throws a UsageError for a path that cannot be written, names one of the media, or is given twice. */
export function checkOutputs(request: RunRequest): void {
  const outputs = outputPaths(request)
  const inputs = inputPaths(request.machine)
  for (const [i, [option, path]] of outputs.entries()) {
    for (const [what, input] of inputs) {
      if (sameFile(path, input))
        throw new UsageError(`${option} '${path}' is the ${what}, which would be overwritten; name another file`)
    }
    for (const [other, otherPath] of outputs.slice(0, i)) {
      if (sameFile(path, otherPath))
        throw new UsageError(`${other} and ${option} both write to '${path}'; name two different files`)
    }
    checkWritable(option, path)
  }
}

function outputPaths({
  screenshot,
  saveSnapshot,
  serial,
  debugcon,
  machine,
}: RunRequest): [option: string, path: string][] {
  const outputs: [string, string | undefined][] = [
    ['--screenshot', screenshot],
    ['--save-snapshot', saveSnapshot],
    ['--record', machine.record],
    ['--log-file', machine.log?.path],
    ['--serial', serial === 'stdio' ? undefined : serial],
    ['--debugcon', debugcon === 'stdio' ? undefined : debugcon],
    ...(machine.nics ?? []).map(({ pcap }): [string, string | undefined] => ['--nic pcap', pcap]),
  ]
  return outputs.filter((output): output is [string, string] => output[1] !== undefined)
}

function inputPaths(machine: MachineConfig): [what: string, path: string][] {
  const inputs: [string, string | undefined][] = [
    ...(machine.floppies ?? []).map(({ path }): [string, string] => ['floppy image', path]),
    ...(machine.disks ?? []).map(({ path }): [string, string | undefined] => ['disk image', path]),
    ['CD image', machine.cdrom?.path],
    ['kernel', machine.kernel?.path],
    ['initrd', machine.kernel?.initrd],
    ...(machine.kernel?.modules ?? []).map(({ path }): [string, string] => ['module', path]),
  ]
  return inputs.filter((input): input is [string, string] => input[1] !== undefined)
}

/** By the file behind the names, so that links count. */
function sameFile(a: string, b: string): boolean {
  if (resolve(a) === resolve(b)) return true
  const [first, second] = [stat(a), stat(b)]
  return first !== undefined && second !== undefined && first.ino === second.ino && first.dev === second.dev
}

/** undefined where there is none, or no way to it. */
function stat(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false })
  } catch {
    return undefined
  }
}

/** Throws a UsageError for what cannot be written. */
export function checkWritable(option: string, path: string): void {
  forOption(option, path, () => checkOutputFile(path))
}

function forOption<T>(option: string, path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw error instanceof UnwritableFile ? new UsageError(`${option} '${path}' ${error.reason}`) : error
  }
}

/** Where a stream of bytes of the guest goes. */
export interface Sink {
  write(bytes: Uint8Array): void
  close(): void
}

/** Empties the file, or makes it. Throws a UsageError, or the host's error. */
export function openSink(option: string, path: string): Sink {
  const file = forOption(option, path, () => OutputFile.growing(path))
  return { write: (bytes) => file.write(bytes), close: () => file.finish() }
}

export function streamSink(stream: NodeJS.WriteStream): Sink {
  return { write: (bytes) => void stream.write(bytes), close: () => {} }
}

/** Node leaves the path out where a file descriptor failed. */
export function withPath(error: unknown, path: string): unknown {
  if (error instanceof Error) (error as NodeJS.ErrnoException).path ??= path
  return error
}
