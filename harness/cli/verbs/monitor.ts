/** `bootwright monitor`: talks to the monitor of a machine that runs. */
import { connect, type Socket } from 'node:net'
import { Command } from 'commander'
import { PROMPT } from '../../live/monitor-server.js'
import { complain, EXIT, UsageError } from '../errors.js'
import { paragraphs } from '../help.js'
import { parseMonitorAddress } from '../monitor-options.js'

const HELP = `
ADDRESS is what 'bootwright run --monitor' was given: unix:PATH, or :PORT.
Without a command it takes lines from standard input, as QEMU's monitor does.`

export function monitorCommand(): Command {
  return (
    new Command('monitor')
      .description("ask a running machine: info registers, info pic, x/8xw, sendkey …, in the words of QEMU's monitor")
      .argument('<address>', 'unix:PATH or :PORT')
      .argument('[command...]', "one line; 'help' lists what there is")
      .addHelpText('after', () => paragraphs(HELP))
      // mouse_move 10 -5 has no option.
      .allowUnknownOption()
      .action(async (address: string, words: string[]) => {
        try {
          process.exitCode = await talk(address, words.join(' '))
        } catch (error) {
          process.exitCode = complain(error)
        }
      })
  )
}

async function talk(address: string, line: string): Promise<number> {
  const socket = await connected(address)
  socket.setEncoding('utf8')
  if (line === '') {
    process.stdin.pipe(socket)
    socket.pipe(process.stdout)
    await new Promise((resolve) => socket.on('close', resolve))
    return EXIT.ok
  }
  let heard = ''
  let asked = false
  for await (const piece of socket) {
    heard += piece
    if (!heard.endsWith(PROMPT)) continue
    if (asked) break
    asked = true
    heard = ''
    socket.write(`${line}\n`)
  }
  socket.destroy()
  process.stdout.write(heard.endsWith(PROMPT) ? heard.slice(0, -PROMPT.length) : heard)
  return EXIT.ok
}

function connected(address: string): Promise<Socket> {
  const place = parseMonitorAddress('monitor', address)
  return new Promise((resolve, reject) => {
    const socket = connect(place)
    socket.once('connect', () => resolve(socket))
    socket.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        new UsageError(
          `nobody answers at ${address} (${error.code}); start a machine with 'bootwright run --monitor ${address}'`,
        ),
      ),
    )
  })
}
