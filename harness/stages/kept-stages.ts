/** The stages that are kept, for who looks after them: which there are, and their removal. */
import { readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { isHeld } from '../../machine/host/lock-file.js'

export interface KeptStage {
  /** As in its file's name. */
  name: string
  /** The first digits of its key. */
  key: string
  file: string
  bytes: number
  /** When a test last went on from it, or it was built. */
  used: Date
  /** A process builds it, or reads it, at this moment. */
  busy: boolean
}

const FILE = /^([\w.-]+)-([0-9a-f]{20})\.snapshot$/

/** Name and key by the name of a file; undefined where it is none of a stage. */
export function parseStageName(file: string): Pick<KeptStage, 'name' | 'key'> | undefined {
  const [, name, key] = FILE.exec(file) ?? []
  return name === undefined ? undefined : { name, key }
}

/** Those that were used last come first. */
export function keptStages(folder: string): KeptStage[] {
  const stages: KeptStage[] = []
  for (const entry of namesIn(folder)) {
    const named = parseStageName(entry)
    const file = join(folder, entry)
    const stats = named && statSync(file, { throwIfNoEntry: false })
    if (!named || !stats?.isFile()) continue
    stages.push({ ...named, file, bytes: stats.size, used: stats.mtime, busy: isHeld(`${file}.lock`) })
  }
  return stages.sort((a, b) => b.used.getTime() - a.used.getTime())
}

/** Removes one; not one that is busy. Returns whether it is gone. */
export function removeStage(stage: KeptStage): boolean {
  if (isHeld(`${stage.file}.lock`)) return false
  rmSync(stage.file, { force: true })
  return true
}

/** What processes left that ended while they wrote or waited: locks that nobody holds, and their own names for them. */
export function removeLeftovers(folder: string): void {
  for (const entry of namesIn(folder)) {
    const file = join(folder, entry)
    if (/\.snapshot\.lock(\.|$)/.test(entry) && !isHeld(file)) rmSync(file, { force: true })
  }
}

/** Stages of one name in several test files are used in one run; what was built anew since is not used with them. */
const SAME_RUN_MS = 24 * 60 * 60_000

/** What another one of its name has taken the place of, and what was not used since `before`. */
export function outdated(stages: readonly KeptStage[], before: Date): KeptStage[] {
  return stages.filter(({ name, used }) => {
    const last = Math.max(...stages.filter((one) => one.name === name).map((one) => one.used.getTime()))
    return used < before || used.getTime() < last - SAME_RUN_MS
  })
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}
