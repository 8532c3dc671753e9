/** `vm.ssh()` without a guest: what a command says. `ssh.long.test.ts` has one. */
import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import type { GuestStream } from '../../../../harness/vm/network/guest-streams.js'
import type { Network } from '../../../../harness/vm/network/network.js'
import { openSsh, SshSession } from '../../../../harness/vm/network/ssh.js'

const PIECE = Buffer.alloc(1 << 20)

/** A command that says so many MiB and ends, by turns on both of its outputs; how often its channel was closed. */
function talker(most: number) {
  let said = 0
  let closings = 0
  const stderr = new PassThrough()
  const channel = Object.assign(new PassThrough(), { stderr, close: () => closings++ })
  const client = { exec: (_: string, done: (error: undefined, channel: unknown) => void) => done(undefined, channel) }
  const waitFor = async (isThere: () => boolean) => {
    for (; !isThere(); said++) {
      if (said < most) (said % 2 ? channel : stderr).emit('data', PIECE)
      else {
        channel.emit('exit', 0)
        channel.emit('close')
      }
    }
  }
  const session = new SshSession(
    { streams: { waitFor } } as unknown as Network,
    client as never,
    new PassThrough() as unknown as GuestStream,
  )
  return { session, said: () => said, closings: () => closings }
}

test('a command that talks without end is ended, and nothing more of it is kept', async () => {
  const { session, said, closings } = talker(1000)
  await expect(session.run('yes')).rejects.toThrow(
    "'yes' said more than 64 MiB; have it write to a file, and copy that by copyFrom()",
  )
  expect([said(), closings()]).toEqual([65, 1])
})

test('a word that is none of its options is told', async () => {
  const options = { user: 'root', pasword: 'x' }
  await expect(openSsh({} as Network, options)).rejects.toThrow(
    "ssh() has no option 'pasword'; did you mean 'password'?",
  )
})

test('one that says much is heard whole', async () => {
  const { stdout, stderr, code } = await talker(3).session.run('some')
  expect([stdout.length, stderr.length, code]).toEqual([1 << 20, 2 << 20, 0])
})
