/** `--log`, `--log-file` and `--log-range`: QEMU's `-d`, `-D` and `-dfilter`. */
import { LogError } from '../../machine/debug/machine-log.js'
import { type LogConfig, readLog } from '../config/log-file.js'
import { UsageError } from './errors.js'

export interface LogFlags {
  log?: string
  logFile?: string
  logRange?: string
}

/** Throws a UsageError, or a LogError. */
export function parseLog({ log, logFile, logRange }: LogFlags): LogConfig | undefined {
  if (log === undefined) {
    const alone = logFile !== undefined ? '--log-file' : logRange !== undefined ? '--log-range' : undefined
    if (alone !== undefined) throw new UsageError(`${alone} says nothing of what to log; add --log int,cpu_reset`)
    return undefined
  }
  try {
    return readLog({ items: log, file: logFile, range: logRange })
  } catch (error) {
    if (error instanceof LogError) throw new UsageError(`--log: ${error.message}`)
    throw error
  }
}
