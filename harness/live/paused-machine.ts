/**
 * A moment that is held for a person: a fork of a machine stands still as the machine was, with a live view, its monitor,
 * and a server for gdb, until the person lets the test or the run go on. What is done to the fork nobody else sees.
 */
import type { VmThread } from '../thread/machine-thread.js'
import { GdbServer } from './gdb-server.js'
import { LiveScreen } from './live-machine.js'
import { MonitorConsole } from './monitor-console.js'
import { ThreadMachine } from './thread-machine.js'
import { ViewServer } from './view-server.js'

const HOST = '127.0.0.1'
const ANY_PORT = 0

export class PausedMachine {
  private gdb: GdbServer | undefined
  private view!: ViewServer
  /** A person said `quit` in the monitor. */
  readonly whenQuit: Promise<void>
  private quit: () => void = () => {}

  /** Rejects where the machine cannot be forked, or no port is to be had: an error with one sentence. */
  static async open(original: VmThread, title: string, port = ANY_PORT): Promise<PausedMachine> {
    let paused: PausedMachine | undefined
    const fork = await original.fork({
      onGdb: (bytes) => paused?.gdb?.send(bytes),
      onSerial: (port, bytes) => {
        if (port === 0) paused?.view.tell({ kind: 'serial', text: Buffer.from(bytes).toString('latin1') })
      },
    })
    paused = new PausedMachine(fork)
    try {
      await paused.begin(title, port)
    } catch (error) {
      await paused.close()
      throw error
    }
    return paused
  }

  private constructor(private readonly fork: VmThread) {
    this.whenQuit = new Promise((resolve) => {
      this.quit = resolve
    })
  }

  private async begin(title: string, gdbPort: number): Promise<void> {
    const { fork } = this
    const machine = new ThreadMachine(fork, title)
    this.view = await ViewServer.open({
      machine,
      screen: new LiveScreen(machine),
      port: ANY_PORT,
      onSerial: (bytes) => {
        fork.input({ kind: 'serial', port: 0, bytes })
        return true
      },
    })
    this.view.tell({ kind: 'state', text: 'stands still; cont in the monitor lets it run' })
    const gdbServer = async () => {
      this.gdb ??= await GdbServer.open({ host: HOST, port: gdbPort }, fork)
      return `gdb: target remote ${HOST}:${this.gdb.port}`
    }
    // Breakpoints are the soft engine's.
    if (fork.engine === 'soft') await gdbServer()
    this.view.console = new MonitorConsole(
      {
        monitor: (line) => fork.monitor(line),
        askDebug: (question) => fork.askDebug(question),
        frame: async () => (await fork.picture())?.frame ?? { width: 0, height: 0, data: new Uint8Array() },
      },
      { quit: this.quit, gdbServer },
    )
    fork.debug({ kind: 'gdb-wait' })
    // For as long as it is held.
    fork.run({ steps: [{ kind: 'until', condition: { kind: 'exit' } }], realTime: true }).then(
      ({ exit }) => this.view.tell({ kind: 'state', text: `has stopped: ${exit.reason}` }),
      () => {},
    )
  }

  /** Where gdb connects; undefined where its engine has no breakpoints. */
  get gdbAddress(): string | undefined {
    return this.gdb && `${HOST}:${this.gdb.port}`
  }

  /** Of the page. */
  get url(): string {
    return this.view.url
  }

  /** Where it is to be seen, a line each. */
  get lines(): string[] {
    return [`live view: ${this.view.url}`, ...(this.gdb ? [`gdb:       target remote ${HOST}:${this.gdb.port}`] : [])]
  }

  async close(): Promise<void> {
    await this.view?.close()
    await this.gdb?.close()
    await this.fork.close()
  }
}
