/** A POSIX shell on a serial line: commands with their exit codes and output. */
import type { TimeoutOptions } from './vm-driver.js'
import type { SerialLine } from './vm-serial.js'

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

export class Shell {
  private commands = 0

  private constructor(
    private readonly line: SerialLine,
    private readonly options: ShellOptions,
  ) {}

  /** Logs in where that is asked for, and waits for the prompt. Rejects with a TimeoutError that shows the last lines. */
  static async open(line: SerialLine, options: ShellOptions = {}): Promise<Shell> {
    const { login, password, prompt = PROMPT } = options
    if (login !== undefined) {
      const last = (await line.lastLines()).at(-1) ?? ''
      if (!/login: ?$/.test(last)) {
        await line.write('\r')
        await line.waitFor(/login: ?$/, options)
      }
      await line.write(`${login}\r`)
      if (password !== undefined) {
        await line.waitFor(/password: ?$/i, options)
        await line.write(`${password}\r`)
      }
    } else {
      await line.write('\r')
    }
    await line.waitFor(prompt, options)
    return new Shell(line, options)
  }

  /**
   * Runs a command on one line. It stands between two marks, which the shell puts together from halves, so that the echo
   * of what is typed is not taken for them.
   */
  async run(command: string, options: TimeoutOptions = {}): Promise<CommandResult> {
    const id = ++this.commands
    const both = { ...this.options, ...options }
    const from = this.line.text().length
    const separator = /&\s*$/.test(command) ? ' ' : '; '
    await this.line.write(`echo bw''_begin_${id}; ${command}${separator}echo bw''_end_${id}:$?\r`)
    await this.line.waitFor(new RegExp(`bw_end_${id}:\\d+\\n`), both)
    await this.line.waitFor(this.options.prompt ?? PROMPT, both)
    const marks = new RegExp(`bw_begin_${id}\\r*\\n([\\s\\S]*)bw_end_${id}:(\\d+)\\r*\\n`)
    const [, output, exitCode] = marks.exec(this.line.text().slice(from)) as RegExpExecArray
    return { exitCode: Number(exitCode), stdout: output.replace(/\r+\n/g, '\n') }
  }
}
