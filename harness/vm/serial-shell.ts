/** A POSIX shell on a serial line: commands with their exit codes and output. */

import { escapePattern } from '../keys/patterns.js'
import { asked } from './call-site.js'
import type { TimeoutOptions } from './driver.js'
import { TimeoutError } from './errors.js'

export interface ShellOptions extends TimeoutOptions {
  /** User name, typed at `login:`; without one the shell is taken to be there already. */
  login?: string
  password?: string
  /** What the prompt looks like; default a line that ends in `$`, `#` or `%` and perhaps a space. */
  prompt?: RegExp
}

export interface CommandResult {
  exitCode: number
  /** What the command wrote, standard error included: a serial line has one stream. Lines end in `\n`. */
  stdout: string
}

const PROMPT = /^[^\n]*[#$%] ?$/
/** What a shell needs of its serial line. */
interface Line {
  write(text: string): Promise<void>
  /** `title` says in words what the expression stands for. */
  wait(expression: RegExp | string, title: string, options?: TimeoutOptions): Promise<string[]>
  /** All that the guest sent. */
  text(): string
  lastLines(): Promise<string[]>
}

/** Characters of a command on one line: line editors of small shells take 1024 at most. */
const CHUNK = 200
const CONTROL_C = '\x03'
/** Of a command, in an error's sentence. */
const QUOTED = 60

export class Shell {
  private commands = 0
  /** The command that was not through at its time-out. */
  private late: { id: number; title: string } | undefined

  private constructor(
    private readonly line: Line,
    private readonly options: ShellOptions,
    /** As it was last seen. */
    private prompt: string,
  ) {}

  /** Logs in where that is asked for, and waits for the prompt. Rejects with a TimeoutError that shows the last lines. */
  static open(line: Line, options: ShellOptions = {}): Promise<Shell> {
    return asked(() => Shell.logIn(line, options))
  }

  private static async logIn(line: Line, options: ShellOptions): Promise<Shell> {
    const { login, password, prompt = PROMPT } = options
    if (login !== undefined) {
      const last = (await line.lastLines()).at(-1) ?? ''
      if (!/login: ?$/.test(last)) {
        await line.write('\r')
        await line.wait(/login: ?$/, "'login:'", options)
      }
      await line.write(`${login}\r`)
      if (password !== undefined) {
        await line.wait(/password: ?$/i, "'Password:'", options)
        await line.write(`${password}\r`)
      }
    } else {
      await line.write('\r')
    }
    await line.wait(prompt, `a shell's prompt ${promptWords(options)}`, options)
    return new Shell(line, options, (await line.lastLines()).at(-1) ?? '')
  }

  /**
   * Runs a command, which may be several lines. It stands between two marks, which the shell puts together from halves,
   * so that the echo of what is typed is not taken for them. Rejects with a TimeoutError; what still runs then is
   * interrupted by Control+C before the next command.
   */
  run(command: string, options: TimeoutOptions = {}): Promise<CommandResult> {
    return asked(() => this.evaluate(command, { ...this.options, ...options }))
  }

  private async evaluate(command: string, both: TimeoutOptions): Promise<CommandResult> {
    if (this.late) await this.interrupt(this.late, both)
    const id = ++this.commands
    const title = inWords(command)
    const evaluated = command.length > CHUNK ? await this.store(command, both) : quoted(command)
    const from = this.line.text().length
    await this.line.write(`echo bw''_begin_${id}; eval ${evaluated}; echo bw''_end_${id}:$?\r`)
    try {
      await this.ended(id, `the end of the command ${title}`, both)
    } catch (error) {
      if (error instanceof TimeoutError) this.late = { id, title }
      throw error
    }
    const marks = new RegExp(`bw_begin_${id}\\r*\\n([\\s\\S]*)bw_end_${id}:(\\d+)\\r*\\n`)
    const [, output, exitCode] = marks.exec(this.line.text().slice(from)) as RegExpExecArray
    return { exitCode: Number(exitCode), stdout: this.withoutQuestion(output.replace(/\r+\n/g, '\n'), id) }
  }

  /** Until the command's mark and the prompt behind it came. */
  private async ended(id: number, title: string, options: TimeoutOptions): Promise<void> {
    const mark = `bw_end_${id}:\\d+\\n`
    // Shells leave the whole line alone after an error in the command's syntax: then the prompt is all that comes.
    const [found] = await this.line.wait(new RegExp(`${mark}|\\n${escapePattern(this.prompt)}$`), title, options)
    if (!found.startsWith('bw_end_')) {
      await this.line.write(`${question(id)}\r`)
      await this.line.wait(new RegExp(mark), title, options)
    }
    await this.atPrompt(options)
  }

  private async atPrompt(options: TimeoutOptions): Promise<void> {
    await this.line.wait(this.options.prompt ?? PROMPT, `the shell's prompt ${promptWords(this.options)}`, options)
    this.prompt = (await this.line.lastLines()).at(-1) ?? ''
  }

  private async interrupt({ id, title }: { id: number; title: string }, options: TimeoutOptions): Promise<void> {
    await this.line.write(CONTROL_C)
    await this.ended(id, `the end of ${title}, which Control+C was sent to,`, options)
    this.late = undefined
  }

  /** Puts a long command into a variable of the shell, piece by piece. Resolves with what stands for it. */
  private async store(command: string, options: TimeoutOptions): Promise<string> {
    for (let at = 0; at < command.length; at += CHUNK) {
      const before = at === 0 ? '' : '$bw_command'
      await this.line.write(`bw_command=${before}${quoted(command.slice(at, at + CHUNK))}\r`)
      await this.atPrompt(options)
    }
    return '"$bw_command"'
  }

  /** What was typed after a syntax error, and the prompt that it was typed at, are no output. */
  private withoutQuestion(output: string, id: number): string {
    const at = output.lastIndexOf(question(id))
    return at < 0 ? output : output.slice(0, output.lastIndexOf('\n', at) + 1)
  }
}

function question(id: number): string {
  return `echo bw''_end_${id}:$?`
}

/** `'make test'`, cut where it is long. */
function inWords(command: string): string {
  const [line] = command.split('\n', 1)
  const cut = line.slice(0, QUOTED)
  return `'${cut === command ? command : `${cut}…`}'`
}

function promptWords({ prompt }: ShellOptions): string {
  return prompt ? `${prompt}` : '($, # or %)'
}

/** A word for a POSIX shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
