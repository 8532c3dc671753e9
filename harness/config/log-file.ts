/** What a machine's log is to tell, and the file that it goes to. */
import { writeSync } from 'node:fs'
import {
  LogError,
  type LogItem,
  type LogRange,
  MachineLog,
  parseLogItems,
  parseLogRanges,
} from '../../machine/debug/machine-log.js'
import { OutputFile, UnwritableFile } from '../../machine/host/output-file.js'
import type { MachineOptions } from '../../machine/machine.js'
import { nearest } from '../words/nearest.js'

/** As `launch()` takes it; items alone go to standard error. */
export interface LogWords {
  /** `int,cpu_reset`, as QEMU's `-d`. */
  items: string
  /** Default standard error. */
  file?: string
  /** Addresses that `int` and `exec` are told of, as in `0x100000..0x1fffff`: QEMU's `-dfilter`. */
  range?: string
}

export interface LogConfig {
  items: string
  path?: string
  range?: string
}

const NAMES = ['items', 'file', 'range']

/** Throws a LogError. */
export function readLog(words: string | LogWords): LogConfig {
  const given: LogWords = typeof words === 'string' ? { items: words } : words
  if (typeof given !== 'object' || given === null || typeof given.items !== 'string')
    throw new LogError("log wants items, as in 'int,cpu_reset' or { items: 'int', file: 'out.log' }")
  const other = Object.keys(given).find((name) => !NAMES.includes(name))
  if (other !== undefined) throw new LogError(`log has no '${other}'; it has ${NAMES.join(', ')}`)
  for (const [name, value] of Object.entries(given))
    if (value !== undefined && typeof value !== 'string') throw new LogError(`log's ${name} wants a text`)
  const { items, file, range } = given
  itemsOf(items)
  if (range !== undefined) parseLogRanges(range)
  return { items, ...(file !== undefined && { path: file }), ...(range !== undefined && { range }) }
}

export function itemsOf(words: string): Set<LogItem> {
  return parseLogItems(words, (word, known) => nearest(word, known))
}

/** Told by the soft engine alone. */
const SOFT: readonly LogItem[] = ['int', 'exec', 'cpu', 'in_asm', 'mmu']

/** The engine that can tell it. Throws a LogError where another one was asked for. */
export function engineFor({ items }: LogConfig, engine: MachineOptions['engine'] = 'auto'): MachineOptions['engine'] {
  const wanted = SOFT.filter((item) => itemsOf(items).has(item))
  if (wanted.length === 0 || engine === 'soft') return engine
  if (engine === 'auto') return 'soft'
  throw new LogError(
    `the log of ${wanted.join(', ')} needs the soft engine, as the host's CPU tells nothing; leave out kvm`,
  )
}

/** Then no more is written, bytes. */
const LARGEST = 2 ** 30
/** Lines that are kept together, bytes. */
const PIECE = 16 << 10
const STDERR = 2

export class LogFile {
  readonly log: MachineLog
  private lines: string[] = []
  private length = 0
  private written = 0
  /** Why it is not whole, a sentence. */
  failure: string | undefined

  private constructor(
    readonly path: string | undefined,
    private readonly file: OutputFile | undefined,
  ) {
    this.log = new MachineLog((text) => this.add(text))
  }

  /** One of no items may be switched on later. Throws a LogError where the file cannot be written. */
  static open({ items, path, range }: LogConfig = { items: 'none' }): LogFile {
    const ranges: LogRange[] = range === undefined ? [] : parseLogRanges(range)
    let file: OutputFile | undefined
    try {
      file = path === undefined ? undefined : OutputFile.growing(path)
    } catch (error) {
      throw error instanceof UnwritableFile ? new LogError(`the log ${error.message}`) : error
    }
    const made = new LogFile(path, file)
    made.log.set(itemsOf(items), ranges)
    return made
  }

  /** What was told so far is in the file. */
  flush(): void {
    if (this.lines.length === 0) return
    const bytes = Buffer.from(this.lines.join(''))
    this.lines = []
    this.length = 0
    this.written += bytes.length
    try {
      if (this.file) this.file.write(bytes)
      else writeSync(STDERR, bytes)
    } catch (error) {
      this.fail(error)
    }
  }

  close(): void {
    this.flush()
    try {
      this.file?.finish()
    } catch (error) {
      this.fail(error)
    }
  }

  private fail(error: unknown): void {
    const { code, message } = error as NodeJS.ErrnoException
    const why = code === 'ENOSPC' ? 'the disk is full' : message
    this.failure ??= `the log ends early: ${why}; make room, or name another file`
  }

  private add(text: string): void {
    if (this.failure !== undefined) return
    if (this.written + this.length > LARGEST) {
      this.failure = `it is ${LARGEST / 2 ** 30} GiB large, and what came after that is not in it`
      return
    }
    this.lines.push(text)
    this.length += text.length
    if (this.length >= PIECE) this.flush()
  }
}
