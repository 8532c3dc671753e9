/** Opens the views that were asked for, around a machine's thread. */
import { readFileSync } from 'node:fs'
import { type LiveMachine, LiveScreen } from '../live/live-machine.js'
import type { MonitorConsole } from '../live/monitor-console.js'
import { type ViewOptions, ViewServer } from '../live/view-server.js'
import { PASSWORD_LENGTH } from '../live/vnc-auth.js'
import { VncServer } from '../live/vnc-server.js'
import type { Progress } from '../protocol/messages.js'
import { UsageError } from './errors.js'
import { type ViewRequest, type VncRequest, vncPassword } from './view-options.js'

/** Pages are told so often, ms. */
const STATE = 500

export type ViewHooks = Pick<ViewOptions, 'onSerial' | 'onTool'>

export class Views {
  private page: ViewServer | undefined
  private vnc: VncServer | undefined
  private readonly decoder = new TextDecoder()
  private before: Pick<Progress, 'guestTimeNs' | 'hostMs'> | undefined
  private speed = ''

  /** Says on standard error where they are. Rejects with a UsageError or a ViewError; none is left open then. */
  static async open(request: ViewRequest, machine: LiveMachine, hooks: ViewHooks = {}): Promise<Views> {
    const views = new Views()
    const screen = new LiveScreen(machine)
    const password = request.vnc && passwordOf(request.vnc)
    try {
      if (request.vnc) {
        const { host, port } = request.vnc
        views.vnc = await VncServer.open({ host, port, password }, machine, screen)
        process.stderr.write(
          `VNC: ${host.includes(':') ? `[${host}]` : host}:${port}${password ? ', with a password' : ''}\n`,
        )
      }
      if (request.uiPort !== undefined) {
        views.page = await ViewServer.open({ machine, screen, port: request.uiPort, ...hooks })
        process.stderr.write(`live view: ${views.page.url}\n`)
      }
      return views
    } catch (error) {
      await views.close()
      throw error
    }
  }

  get server(): ViewServer | undefined {
    return this.page
  }

  /** The page has a monitor. */
  monitor(console: MonitorConsole): void {
    if (this.page) this.page.console = console
  }

  onSerial(bytes: Uint8Array): void {
    this.page?.tell({ kind: 'serial', text: this.decoder.decode(bytes, { stream: true }) })
  }

  onProgress(now: Pick<Progress, 'guestTimeNs' | 'hostMs'>): void {
    const { before } = this
    if (before && now.hostMs - before.hostMs < STATE) return
    if (before) {
      const speed = (now.guestTimeNs - before.guestTimeNs) / 1e6 / (now.hostMs - before.hostMs)
      this.speed = `, ${Math.round(speed * 100)} % of real time`
    }
    this.before = now
    this.page?.tell({ kind: 'state', text: `guest time ${clock(now.guestTimeNs)}${this.speed}` })
  }

  /** @param last What pages say from now on. */
  async close(last?: string): Promise<void> {
    if (last !== undefined) this.page?.tell({ kind: 'ended', text: last })
    const { page, vnc } = this
    this.page = undefined
    this.vnc = undefined
    await Promise.all([page?.close(), vnc?.close()])
  }
}

function passwordOf(vnc: VncRequest): string | undefined {
  const { passwordFile } = vnc
  let text: string | undefined
  try {
    text = passwordFile === undefined ? undefined : readFileSync(passwordFile, 'utf8')
  } catch (error) {
    throw new UsageError(
      `--vnc: the password's file '${passwordFile}' cannot be read (${(error as NodeJS.ErrnoException).code}); ` +
        'name one that can, or put the password into BOOTWRIGHT_VNC_PASSWORD',
    )
  }
  const password = vncPassword(vnc, text, process.env)
  if (password !== undefined && Buffer.byteLength(password) > PASSWORD_LENGTH)
    process.stderr.write(`bootwright: of the VNC password only the first ${PASSWORD_LENGTH} bytes count\n`)
  return password
}

function clock(ns: number): string {
  const seconds = Math.floor(ns / 1e9)
  const two = (value: number) => String(value).padStart(2, '0')
  return `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`
}
