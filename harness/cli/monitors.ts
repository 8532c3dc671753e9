/** The monitors that were asked for, around a machine's thread. */
import { MonitorConsole, QMP_GREETING } from '../live/monitor-console.js'
import { converse, MonitorServer, PROMPT, replyTo } from '../live/monitor-server.js'
import type { VmThread } from '../thread/machine-thread.js'
import type { MonitorRequest } from './monitor-options.js'

export class Monitors {
  private readonly servers: MonitorServer[] = []
  /** A person or a program ended the machine. */
  hasQuit = false
  readonly console: MonitorConsole
  private talksHere = false

  /**
   * Says on standard error where they are. Rejects with a ViewError; none is left open then.
   *
   * @param gdbServer Opens gdb's server, and says where.
   */
  static async open(
    request: MonitorRequest,
    vm: VmThread,
    gdbServer: (address: string) => Promise<string>,
  ): Promise<Monitors> {
    const monitors = new Monitors(vm, gdbServer)
    try {
      await monitors.listen(request.monitor, '--monitor', false)
      await monitors.listen(request.qmp, '--qmp', true)
      return monitors
    } catch (error) {
      await monitors.close()
      throw error
    }
  }

  private constructor(vm: VmThread, gdbServer: (address: string) => Promise<string>) {
    this.console = new MonitorConsole(
      {
        monitor: (line) => vm.monitor(line),
        askDebug: (question) => vm.askDebug(question),
        frame: async () => {
          const picture = await vm.picture()
          return picture?.frame ?? { width: 0, height: 0, data: new Uint8Array() }
        },
      },
      {
        quit: () => {
          this.hasQuit = true
          vm.stop()
        },
        gdbServer,
      },
    )
  }

  async close(): Promise<void> {
    for (const server of this.servers.splice(0)) await server.close()
    if (this.talksHere) process.stdin.destroy()
  }

  private async listen(
    address: MonitorRequest['monitor'],
    option: '--monitor' | '--qmp',
    json: boolean,
  ): Promise<void> {
    if (address === undefined) return
    if (address === 'stdio') {
      this.talkHere(json)
      return
    }
    const server = await MonitorServer.open(address, option, this.console, json)
    this.servers.push(server)
    process.stderr.write(`${json ? 'QMP' : 'monitor'}: ${server.address}\n`)
  }

  private talkHere(json: boolean): void {
    const { stdin, stdout } = process
    this.talksHere = true
    stdin.setEncoding('utf8')
    stdout.write(json ? `${JSON.stringify(QMP_GREETING)}\n` : PROMPT)
    void converse(
      stdin as AsyncIterable<string>,
      async (line) => {
        const said = await replyTo(this.console, line, json)
        stdout.write(json ? said && `${said}\n` : said + (this.hasQuit ? '' : PROMPT))
      },
      () => {},
    )
  }
}
