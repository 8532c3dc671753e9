/**
 * A monitor's console outside of the machine's thread: what concerns the host (quit, pictures, gdb's server) is done here,
 * all else by the thread. And the same as JSON, as QEMU's QMP has it.
 * Source: QEMU's docs/interop/qmp-spec.txt.
 */
import { resolve } from 'node:path'
import type { Frame } from '../../machine/devices/display/display.js'
import { UsageError } from '../../machine/errors.js'
import type { DebugQuestion } from '../protocol/messages.js'

/** The machine as a console sees it. */
export interface MonitoredVm {
  monitor(line: string): Promise<string>
  askDebug(question: DebugQuestion): Promise<unknown>
  frame(): Promise<Frame>
}

export interface MonitorHooks {
  /** Ends the run. */
  quit(): void
  /** Opens gdb's server and says where it is. Rejects with one sentence. */
  gdbServer(address: string): Promise<string>
}

const HOST_HELP = [
  ['dump-guest-memory FILE', 'memory and registers as an ELF core file, as gdb, crash and drgn read it'],
  ['gdbserver [:PORT]', "a server for gdb's target remote"],
  ['memsave ADDRESS SIZE FILE', "a part of memory by linear address, as the machine's bytes"],
  ['pmemsave ADDRESS SIZE FILE', 'the same by physical address'],
  ['quit | q', 'ends the machine'],
  ['screendump FILE', 'the screen as PNG, or as PPM where the name ends so'],
]

export class MonitorConsole {
  constructor(
    private readonly vm: MonitoredVm,
    private readonly hooks: MonitorHooks,
  ) {}

  /** The answer to a line, with its end, or nothing. Rejects when the machine has ended. */
  async answer(line: string): Promise<string> {
    const [command = '', ...rest] = line.trim().split(/\s+/)
    switch (command) {
      case 'quit':
      case 'q':
        this.hooks.quit()
        return ''
      case 'screendump':
        return this.screendump(rest)
      case 'dump-guest-memory':
        return this.written(rest, 1, 'dump-guest-memory core', ([file]) =>
          this.vm.askDebug({ what: 'core', cpu: 0, path: resolve(file) }),
        )
      case 'memsave':
      case 'pmemsave':
        return this.written(rest, 3, `${command} 0x7c00 512 boot.bin`, (parts) =>
          this.saveMemory(parts, command === 'pmemsave'),
        )
      case 'gdbserver':
        return this.hooks.gdbServer(rest[0] ?? '').then(
          (said) => `${said}\n`,
          (error: Error) => `${error.message}\n`,
        )
      case 'help':
      case '?':
        return (
          `${await this.vm.monitor(line)}${hostHelp(rest.join(' '))}` ||
          `there is no monitor command '${rest.join(' ').slice(0, 80)}'; 'help' lists them\n`
        )
      default:
        return this.vm.monitor(line)
    }
  }

  /** A file of memory. @param like How the command is given. */
  private async written(
    given: readonly string[],
    count: number,
    like: string,
    write: (parts: string[]) => Promise<unknown>,
  ): Promise<string> {
    // QEMU's options say how it is compressed, and that addresses are linear ones: a core file here has both kinds.
    const parts = given.filter((one) => !/^-[pdzlsw]$/.test(one))
    if (parts.length !== count) return `${like.split(' ', 1)[0]} is given as in ${like}\n`
    try {
      await write(parts)
      return ''
    } catch (error) {
      return `${(error as Error).message}\n`
    }
  }

  private async saveMemory([where, size, file]: readonly string[], physical: boolean): Promise<void> {
    const length = Number(size)
    if (!(length >= 0)) throw new UsageError(`'${size}' is no number of bytes`)
    const { checkOutputFile, OutputFile } = await import('../../machine/host/output-file.js')
    checkOutputFile(file)
    const bytes = await this.vm.askDebug({ what: 'read', cpu: 0, where, length, physical })
    const out = OutputFile.replacing(file)
    out.write(bytes as Uint8Array)
    out.finish()
  }

  private async screendump([file, ...rest]: readonly string[]): Promise<string> {
    if (file === undefined || rest.length > 0) return 'screendump wants a file, as in screendump screen.png\n'
    const frame = await this.vm.frame()
    if (frame.width < 1 || frame.height < 1) return 'the screen is off\n'
    const { checkOutputFile, OutputFile } = await import('../../machine/host/output-file.js')
    try {
      checkOutputFile(file)
      if (/\.ppm$/i.test(file)) {
        const out = OutputFile.replacing(file)
        out.write(ppm(frame))
        out.finish()
      } else {
        const { writePng } = await import('../picture/screenshot.js')
        await writePng(file, frame)
      }
      return ''
    } catch (error) {
      return `${(error as Error).message}\n`
    }
  }
}

function hostHelp(begins = ''): string {
  const shown = HOST_HELP.filter(([name]) => name.startsWith(begins))
  return shown.map(([name, help]) => `${name.padEnd(28)}${help}\n`).join('')
}

/** QEMU's own format. */
function ppm({ width, height, data }: Frame): Uint8Array {
  const head = Buffer.from(`P6\n${width} ${height}\n255\n`)
  const out = new Uint8Array(head.length + width * height * 3)
  out.set(head)
  for (let i = 0, at = head.length; i < width * height; i++) {
    out[at++] = data[i * 4]
    out[at++] = data[i * 4 + 1]
    out[at++] = data[i * 4 + 2]
  }
  return out
}

// The same in JSON ---------------------------------------------------------------------------------------------------------

export const QMP_GREETING = {
  QMP: { version: { qemu: { major: 7, minor: 2, micro: 0 }, package: 'bootwright' }, capabilities: [] },
}

/** Commands of QMP that are lines of the console. */
const LINES: { readonly [command: string]: string } = {
  ...{ stop: 'stop', cont: 'cont', quit: 'quit', system_reset: 'system_reset', system_powerdown: 'system_powerdown' },
}

export async function answerQmp(console: MonitorConsole, line: string): Promise<object> {
  const failed = (desc: string, kind = 'GenericError') => ({ error: { class: kind, desc } })
  let request: { execute?: unknown; arguments?: { [name: string]: unknown }; id?: unknown }
  try {
    request = JSON.parse(line)
  } catch {
    return failed('this is no JSON')
  }
  const id = request?.id === undefined ? {} : { id: request.id }
  const command = request?.execute
  if (typeof command !== 'string')
    return { ...failed('a command is an object with execute, as in {"execute":"query-status"}'), ...id }
  const value = request.arguments
  const returned = (answer: unknown) => ({ return: answer, ...id })
  switch (command) {
    case 'qmp_capabilities':
      return returned({})
    case 'human-monitor-command': {
      const text = value?.['command-line']
      if (typeof text !== 'string') return { ...failed("Parameter 'command-line' is missing"), ...id }
      return returned((await console.answer(text)).replaceAll('\n', '\r\n'))
    }
    case 'query-status': {
      const running = (await console.answer('info status')).includes('running')
      return returned({ running, singlestep: false, status: running ? 'running' : 'paused' })
    }
    case 'query-version':
      return returned(QMP_GREETING.QMP.version)
    case 'screendump': {
      const said = await console.answer(`screendump ${String(value?.filename ?? '')}`)
      return said === '' ? returned({}) : { ...failed(said.trim()), ...id }
    }
    case 'query-commands': {
      const names = ['qmp_capabilities', 'human-monitor-command', 'query-status', 'query-version', 'query-commands']
      return returned([...names, 'screendump', ...Object.keys(LINES)].map((name) => ({ name })))
    }
    default: {
      if (!Object.hasOwn(LINES, command))
        return { ...failed(`The command ${command} has not been found`, 'CommandNotFound'), ...id }
      const said = await console.answer(LINES[command])
      return said === '' ? returned({}) : { ...failed(said.trim()), ...id }
    }
  }
}
