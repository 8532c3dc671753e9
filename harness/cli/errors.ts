/** Exit codes, and errors as one sentence for people. */
import { errorKind, HostError, UsageError } from '../../machine/errors.js'
import { printable } from '../../reports/printable.js'

export const EXIT = {
  ok: 0,
  /** The guest did otherwise than asked. */
  failed: 1,
  /** Wrong options, scripts, patterns; media that cannot be used. */
  usage: 2,
  /** Missing firmware, no access to /dev/kvm where it was asked for, a full disk. */
  infrastructure: 3,
  noTests: 4,
  timeout: 124,
  interrupted: 130,
} as const

export { HostError, UsageError }

const HOST_TROUBLE: { readonly [code: string]: string } = {
  ENOSPC: 'the disk is full; make room and run it again',
  EDQUOT: 'the disk quota is used up; make room and run it again',
  EIO: 'the host reports an input/output error; check the disk',
  EROFS: 'the file system is read-only',
  EACCES: 'permission is denied; let this user have it (chmod, chown), or name another',
  EPERM: 'permission is denied; let this user have it (chmod, chown), or name another',
  EPIPE: 'whoever read it has closed it; keep its reader until the end',
  ENOMEM: 'the host is out of memory',
  ERR_WORKER_OUT_OF_MEMORY: "the machine's thread ran out of memory; give the machine less with -m",
}

export interface Complaint {
  /** One sentence without a line feed. */
  message: string
  exitCode: number
}

/** Any error as a sentence and the exit code it calls for. */
export function complaint(thrown: unknown): Complaint {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown))
  const { code } = error as NodeJS.ErrnoException
  const kind = errorKind(error)
  if (kind === 'usage') return { message: oneLine(error.message), exitCode: EXIT.usage }
  if (kind === 'host') return { message: oneLine(error.message), exitCode: EXIT.infrastructure }
  if (code !== undefined && HOST_TROUBLE[code] !== undefined) {
    const { path } = error as NodeJS.ErrnoException
    return { message: `${path ? `${path}: ` : ''}${HOST_TROUBLE[code]}`, exitCode: EXIT.infrastructure }
  }
  if (error.name === 'RangeError' && /Memory|allocat/i.test(error.message))
    return {
      message: `the host has not enough memory for this machine (${oneLine(error.message)}); give it less with -m`,
      exitCode: EXIT.infrastructure,
    }
  return {
    message: `internal error: ${oneLine(error.message)} (set BOOTWRIGHT_DEBUG=1 to see where)`,
    exitCode: EXIT.infrastructure,
  }
}

/** Prints the sentence on standard error, with the stack where BOOTWRIGHT_DEBUG=1 asks for it. Returns the exit code. */
export function complain(thrown: unknown): number {
  const { message, exitCode } = complaint(thrown)
  process.stderr.write(`bootwright: ${message}\n`)
  if (process.env.BOOTWRIGHT_DEBUG === '1' && thrown instanceof Error)
    process.stderr.write(`${printable(thrown.stack ?? '')}\n`)
  return exitCode
}

function oneLine(message: string): string {
  return printable(message.split('\n')[0].trim())
}
