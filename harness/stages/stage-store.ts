/**
 * Stages kept from run to run: a snapshot file for each, under a hash of everything that the stage depends on, so that
 * what has changed is built anew. Built by one process at a time; the others wait for it.
 */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cacheFolder } from '../../machine/firmware/find-firmware.js'
import { driveMedia, firmwarePaths, type MachineConfig } from '../config/machine-config.js'
import { stageKeyPart } from '../options/read-options.js'
import { inputsOf } from '../thread/snapshot-files.js'

export interface StageParts {
  name: string
  /** The machine that the stage begins on; undefined where it goes on from another stage. */
  config: MachineConfig | undefined
  /** Key of the stage that it goes on from. */
  parent: string | undefined
  /** The source text of its steps. */
  steps: string
}

/** A hash of the machine, the contents of its media, the steps' text, the parent and this project's version. */
export async function stageKey({ name, config, parent, steps }: StageParts): Promise<string> {
  const media = driveMedia(config ?? {})
  // Its firmware, too: another SeaBIOS is another machine.
  const whole = config && { ...config, firmware: firmwarePaths(config.firmware) }
  const inputs = whole ? (await inputsOf(whole, media)).map(({ what, sha256 }) => [what, sha256]) : []
  const all = JSON.stringify([version(), name, whole && stageKeyPart(whole), inputs, parent, plain(steps)])
  return createHash('sha256').update(all).digest('hex')
}

/** Another import above, or another indentation, makes no other steps of them: vitest numbers imports. */
function plain(steps: string): string {
  return steps.replace(/__vi(te_ssr)?_import_\d+__/g, 'imported').replace(/^[ \t]+/gm, '')
}

/** In what BOOTWRIGHT_CACHE names, else in `node_modules/.cache`, or the user's cache where there is no such folder. */
export function stagesFolder(): string {
  const modules = join(process.cwd(), 'node_modules')
  const own = existsSync(modules) ? join(modules, '.cache', 'bootwright') : cacheFolder()
  const folder = process.env.BOOTWRIGHT_CACHE || own
  return join(folder, 'stages')
}

/** Of a key, in a file's name. */
const KEY_DIGITS = 20

/** A stage's name where it is part of a file's. */
export function stageFileName(name: string): string {
  return name.replace(/[^\w.-]+/g, '-')
}

export function stageFile(name: string, key: string): string {
  return join(stagesFolder(), `${stageFileName(name)}-${key.slice(0, KEY_DIGITS)}.snapshot`)
}

function version(): string {
  const here = fileURLToPath(import.meta.url)
  // This file is in harness/stages/, or in dist/harness/stages/.
  const root = new URL(here.includes('/dist/harness/') ? '../../../' : '../../', import.meta.url)
  return JSON.parse(readFileSync(new URL('package.json', root), 'utf8')).version
}
