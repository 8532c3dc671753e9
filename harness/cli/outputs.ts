/** The files that a run writes: checked before it starts, so that no run is for nothing and no medium is overwritten. */
import { accessSync, closeSync, constants, openSync, type Stats, statSync, writeSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
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
    ['--serial', serial === 'stdio' ? undefined : serial],
    ['--debugcon', debugcon === 'stdio' ? undefined : debugcon],
  ]
  return outputs.filter((output): output is [string, string] => output[1] !== undefined)
}

function inputPaths(machine: MachineConfig): [what: string, path: string][] {
  const inputs: [string, string | undefined][] = [
    ...(machine.floppies ?? []).map(({ path }): [string, string] => ['floppy image', path]),
    ...(machine.disks ?? []).map(({ path }): [string, string] => ['disk image', path]),
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

function stat(path: string): Stats | undefined {
  return statSync(path, { throwIfNoEntry: false })
}

function checkWritable(option: string, path: string): void {
  const folder = dirname(path)
  try {
    const stats = stat(path)
    if (stats?.isDirectory()) throw new UsageError(`${option} '${path}' is a directory; name a file in it`)
    if (stats === undefined && !stat(folder)?.isDirectory())
      throw new UsageError(`${option} '${path}' cannot be written: there is no folder '${folder}'`)
    accessSync(stats === undefined ? folder : path, constants.W_OK)
  } catch (error) {
    throw error instanceof UsageError ? error : cannotWrite(option, path, error)
  }
}

function cannotWrite(option: string, path: string, error: unknown): UsageError {
  const { code, message } = error as NodeJS.ErrnoException
  const reasons: { readonly [code: string]: string } = {
    EACCES: 'permission is denied',
    EPERM: 'permission is denied',
    EROFS: 'the file system is read-only',
    ENOTDIR: 'a part of its path is not a directory',
    ENAMETOOLONG: 'its path is too long',
    ELOOP: 'it is a symbolic link that leads in a circle',
    ETXTBSY: 'it is a program that is running',
  }
  return new UsageError(`${option} '${path}' cannot be written: ${reasons[code ?? ''] ?? message}`)
}

/** Where a stream of bytes of the guest goes. */
export interface Sink {
  write(bytes: Uint8Array): void
  close(): void
}

/** Empties the file, or makes it. */
export function openSink(option: string, path: string): Sink {
  let fd: number
  try {
    fd = openSync(path, 'w')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw code === 'ENOSPC' || code === 'EDQUOT' ? withPath(error, path) : cannotWrite(option, path, error)
  }
  return {
    write(bytes) {
      try {
        for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done)
      } catch (error) {
        throw withPath(error, path)
      }
    },
    close: () => closeSync(fd),
  }
}

export function streamSink(stream: NodeJS.WriteStream): Sink {
  return { write: (bytes) => void stream.write(bytes), close: () => {} }
}

/** Node leaves the path out where a file descriptor failed. */
export function withPath(error: unknown, path: string): unknown {
  if (error instanceof Error) (error as NodeJS.ErrnoException).path ??= path
  return error
}
