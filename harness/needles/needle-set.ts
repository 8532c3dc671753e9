/** A folder of needles, with its folders: found by name and by tag, pictures read when they are asked for. */
import { readdirSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import type { Frame } from '../../machine/devices/display/display.js'
import type { Area } from '../picture/screenshot.js'
import { nearest } from '../words/nearest.js'
import { matchNeedle } from './match.js'
import { loadNeedle, type Needle } from './needle.js'
import { NeedleError, type NeedleFile, readNeedleFile } from './needle-file.js'

/**
 * Looks through a folder. Files that are wrong are in the set's `problems`, and do not keep the others from use.
 *
 * @throws NeedleError where there is no such folder, or no needle in it.
 */
export function openNeedles(folder: string): NeedleSet {
  const files: NeedleFile[] = []
  const problems: NeedleError[] = []
  for (const file of jsonFiles(folder)) {
    try {
      files.push(readNeedleFile(file))
    } catch (error) {
      if (!(error instanceof NeedleError)) throw error
      problems.push(error)
    }
  }
  if (files.length === 0)
    throw problems[0] ?? new NeedleError(`there is no needle in ${folder}; a needle is a .json and a .png file`)
  return new NeedleSet(folder, files, problems)
}

/** What a locator wants to know. */
export interface StoredMatch {
  matched: boolean
  /** Of the area that fits least, 0 to 1. */
  similarity: number
  areas: Area[]
  click?: { x: number; y: number }
}

export class NeedleSet {
  private readonly loaded = new Map<NeedleFile, Promise<Needle>>()

  constructor(
    readonly folder: string,
    /** In the order of their paths. */
    readonly files: readonly NeedleFile[],
    /** What was not taken, and why. */
    readonly problems: readonly NeedleError[],
  ) {}

  /** @param name As the file, without `.json`; with its folder where several have it. Rejects with a NeedleError. */
  async get(name: string): Promise<Needle> {
    const plain = name.replace(/\.json$/, '')
    const found = this.files.filter((file) => file.name === plain || this.pathOf(file) === plain)
    if (found.length === 1) return this.load(found[0])
    if (found.length > 1)
      throw new NeedleError(
        `${found.length} needles in ${this.folder} are called '${plain}'; name one by its path, as in '${this.pathOf(found[0])}'`,
      )
    const wrong = this.problems.find(({ message }) => message.includes(`${plain}.json`))
    if (wrong) throw wrong
    const near = nearest(
      plain,
      this.files.map((file) => file.name),
    )
    throw new NeedleError(
      `there is no needle '${plain}' in ${this.folder}; ${near ? `did you mean '${near}'?` : 'check the name'}`,
    )
  }

  /** Those that have all of these tags. Rejects with a NeedleError where none has. */
  async tagged(...tags: string[]): Promise<Needle[]> {
    const found = this.files.filter((file) => tags.every((tag) => file.tags.includes(tag)))
    if (found.length > 0) return Promise.all(found.map((file) => this.load(file)))
    const known = [...new Set(this.files.flatMap((file) => file.tags))]
    const near = tags.filter((tag) => !known.includes(tag)).map((tag) => nearest(tag, known))[0]
    throw new NeedleError(
      `no needle in ${this.folder} has the tag ${tags.map((tag) => `'${tag}'`).join(' and ')}; ` +
        (near ? `did you mean '${near}'?` : 'check the tags') +
        (this.problems.length > 0 ? ` (${this.problems.length} were not taken: ${this.problems[0].message})` : ''),
    )
  }

  /** By name, else by tag. Rejects with a NeedleError where there is neither. */
  async find(nameOrTag: string): Promise<Needle[]> {
    const known = (file: NeedleFile) => file.tags.includes(nameOrTag)
    const named = this.files.some((file) => file.name === nameOrTag || this.pathOf(file) === nameOrTag)
    return !named && this.files.some(known) ? this.tagged(nameOrTag) : [await this.get(nameOrTag)]
  }

  /** Whether the screen shows the needle, and how well its worst area fits. */
  match(frame: Frame, needle: { readonly name: string }): StoredMatch {
    const { ok, areas, clickPoints } = matchNeedle(frame, needle as Needle)
    const click = clickPoints.at(-1)
    return {
      matched: ok,
      similarity: Math.min(...areas.map(({ similarity }) => similarity)),
      areas: areas.map(({ x, y, w, h }) => ({ x, y, width: w, height: h })),
      ...(click && { click: { x: click.x, y: click.y } }),
    }
  }

  /** With its pixels; the same file is read once. */
  load(file: NeedleFile): Promise<Needle> {
    let needle = this.loaded.get(file)
    if (!needle) {
      needle = loadNeedle(file)
      this.loaded.set(file, needle)
    }
    return needle
  }

  private pathOf({ file }: NeedleFile): string {
    return relative(this.folder, file)
      .split(sep)
      .join('/')
      .replace(/\.json$/, '')
  }
}

function jsonFiles(folder: string): string[] {
  let entries: string[]
  try {
    entries = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const why = code === 'ENOENT' ? 'does not exist' : code === 'ENOTDIR' ? 'is a file' : `cannot be read (${code})`
    throw new NeedleError(`the needles' folder ${folder} ${why}; name a folder of .json and .png files`)
  }
  return entries
    .filter((path) => path.endsWith('.json') && !path.split(sep).some((part) => part.startsWith('.')))
    .sort()
    .map((path) => join(folder, path))
}
