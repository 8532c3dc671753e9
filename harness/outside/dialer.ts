/** What a guest's way out needs of the host: sockets, its resolver, its ping. Tests hand in another one. */
import { execFile, spawn } from 'node:child_process'
import { createSocket, type Socket as DatagramSocket } from 'node:dgram'
import { lookup, resolve } from 'node:dns/promises'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { networkInterfaces } from 'node:os'
import { Duplex } from 'node:stream'

export interface Dialer {
  connect(address: string, port: number): Socket
  /** Runs a command of the shell's: what it reads and writes. Says `connect` when it runs. */
  run(command: string): Duplex
  listen(): Server
  datagrams(family: 4 | 6): DatagramSocket
  /** Addresses of a name, as the host's own programs get them. Rejects where there are none. */
  addresses(name: string, family: 4 | 6): Promise<string[]>
  /** Records of other types. */
  records(name: string, type: string): Promise<unknown>
  /** One echo, with so many bytes of data: undefined where an answer came, else why not. */
  echo(address: string, size: number): Promise<string | undefined>
  /** The host's own. */
  ownAddresses(): string[]
}

/** The longest that an answer to an echo may take, s. */
const ECHO_S = 2

function programEnds(command: string): Duplex {
  const child = spawn(command, { shell: true, stdio: ['pipe', 'pipe', 'inherit'] })
  const { stdin, stdout } = child
  const ends = new Duplex({
    read: () => {
      stdout.resume()
    },
    // A program may end without having read all, and what it has said is heard.
    write: (bytes, _, done) => {
      if (stdin.writable) stdin.write(bytes, () => done())
      else done()
    },
    final: (done) => {
      stdin.end()
      done()
    },
    destroy: (error, done) => {
      child.kill()
      done(error)
    },
  })
  stdin.on('error', () => {})
  stdout.on('data', (bytes) => {
    if (!ends.push(bytes)) stdout.pause()
  })
  stdout.once('end', () => ends.push(null))
  child.once('spawn', () => ends.emit('connect'))
  child.once('error', (error) => ends.destroy(error))
  return ends
}

export const HOST: Dialer = {
  connect: (host, port) => connect({ host, port, allowHalfOpen: true }),
  run: programEnds,
  listen: () => createServer({ allowHalfOpen: true, pauseOnConnect: true }),
  datagrams: (family) => createSocket(family === 4 ? 'udp4' : 'udp6'),
  async addresses(name, family) {
    const found = await lookup(name, { family, all: true })
    return found.map(({ address }) => address)
  },
  records: (name, type) => resolve(name, type as 'TXT'),
  echo(address, size) {
    const args = ['-n', '-c', '1', '-W', String(ECHO_S), '-s', String(size), address]
    return new Promise((done) => {
      execFile('ping', args, { timeout: (ECHO_S + 1) * 1000 }, (error) => {
        const { code } = (error ?? {}) as { code?: string | number }
        if (!error) done(undefined)
        else if (code === 'ENOENT') done('the host has no ping')
        else if (code === 1) done('no answer came')
        else done("the host's ping may not be used")
      })
    })
  },
  ownAddresses: () =>
    Object.values(networkInterfaces()).flatMap((found) => (found ?? []).map(({ address }) => address.split('%')[0])),
}
