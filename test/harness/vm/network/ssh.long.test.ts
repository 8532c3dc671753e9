/** SSH into Debian's dropbear, with the package ssh2: by password, by key, commands, files both ways, and what goes wrong. */
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { launch } from '../../../../harness/vm/launch.js'
import { network } from '../../../../harness/vm/network/shared-network.js'
import type { SshSession } from '../../../../harness/vm/network/ssh.js'
import type { Vm } from '../../../../harness/vm/vm.js'
import { PASSWORD, serverGuest } from '../../../guests/server-guest.js'

interface Keys {
  utils: { parseKey(text: string): { type: string; getPublicSSH(): Buffer } }
}

const folder = mkdtempSync(join(tmpdir(), 'bootwright-ssh-'))
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const key = privateKey.export({ type: 'pkcs1', format: 'pem' }) as string
const { utils } = createRequire(import.meta.url)('ssh2') as Keys
const parsed = utils.parseKey(key)
const line = `ssh-rsa ${parsed.getPublicSSH().toString('base64')} test`
const guest = serverGuest(line)
const bare = guest && serverGuest(line, [], false)
const machine = { engine: 'soft', memory: 192, nic: 'e1000', append: 'console=ttyS0 quiet', timeout: '3m' } as const

describe.skipIf(!guest)('a guest with an SSH server', () => {
  let vm: Vm
  beforeAll(async () => {
    vm = await launch({ ...machine, ...guest })
  }, 300_000)
  afterAll(async () => {
    await vm.close()
  })

  test('is waited for while it boots, and runs commands', async () => {
    const ssh = await vm.ssh({ user: 'root', password: PASSWORD })
    expect(await ssh.run('uname -s; echo no >&2; exit 3')).toEqual({ stdout: 'Linux\n', stderr: 'no\n', code: 3 })
    expect(await ssh.run('kill -KILL $$')).toMatchObject({ code: undefined, signal: 'KILL' })
    expect((await ssh.run('md5sum', { stdin: 'abc' })).stdout).toMatch(/^900150983cd24fb0d6963f7d28e17f72/)
    expect((await ssh.run('seq 1 60000')).stdout.length).toBe(348_894)
    await expect(ssh.run('sleep 100', { timeout: '2s' })).rejects.toThrow(
      "waited 2 s of guest time for the end of the command 'sleep 100'",
    )
    expect((await ssh.run('echo and on')).stdout).toBe('and on\n')
    expect((await vm.driver.run([])).hostInput).toBe(true)
    await ssh.close()
    await expect(ssh.run('true')).rejects.toThrow('the SSH connection to the guest is over')
  })

  test('lets in by a key, and files go both ways', async () => {
    const file = join(folder, 'key')
    writeFileSync(file, key)
    const ssh = await vm.ssh({ user: 'root', key: file })
    const path = join(folder, 'there')
    const data = Buffer.from(Uint8Array.from({ length: 400_000 }, (_, i) => (i * i) >>> 5))
    writeFileSync(path, data, { mode: 0o755 })
    await ssh.copyTo(path, '/tmp/here')
    expect((await ssh.run('ls -l /tmp/here')).stdout).toMatch(/^-rwxr-xr-x .* 400000 /)
    await ssh.copyFrom('/tmp/here', join(folder, 'back'))
    expect(readFileSync(join(folder, 'back')).equals(data)).toBe(true)
    await expect(ssh.copyFrom('/none', join(folder, 'none'))).rejects.toThrow(
      'the file "/none" cannot be read in the guest: No such file',
    )
    await expect(ssh.copyTo(path, '/none/x')).rejects.toThrow('the file "/none/x" cannot be written in the guest')
    await expect(ssh.copyTo(folder, '/tmp/x')).rejects.toThrow('is a directory; name a file')
    await ssh.close()
  })

  test('does not let in whom it does not know', async () => {
    await expect(vm.ssh({ user: 'root', password: 'wrong' })).rejects.toThrow(
      'the guest does not let this user in: neither its password nor its key was taken',
    )
    await expect(vm.ssh({ user: 'root', key: '-----BEGIN nothing' })).rejects.toThrow('the key cannot be read')
    await expect(vm.ssh({ user: 'root', password: PASSWORD, port: 23, timeout: '3s' })).rejects.toThrow(
      'ssh() found no server: no connection to port 23 of the guest: refused by the guest',
    )
  })

  test('goes on over a cable that was out', async () => {
    const ssh = await vm.ssh({ user: 'root', password: PASSWORD })
    await vm.network.link(false)
    await expect(ssh.run('echo lost', { timeout: '3s' })).rejects.toThrow(
      "waited 3 s of guest time for the end of the command 'echo lost'",
    )
    await vm.network.link(true)
    expect(await ssh.run('echo and on')).toMatchObject({ code: 0, stdout: 'and on\n' })
    const other = await vm.ssh({ user: 'root', password: PASSWORD })
    expect((await other.run('echo anew')).stdout).toBe('anew\n')
    await other.close()
    await ssh.close()
  })

  test('a fork is logged into by itself, and a machine that went back anew', async () => {
    const login = { user: 'root', password: PASSWORD }
    const ssh = await vm.ssh(login)
    const kept = await vm.snapshot()
    const fork = await vm.fork()
    try {
      expect((await ssh.run('echo here >/tmp/who; cat /tmp/who')).stdout).toBe('here\n')
      const there = await fork.ssh(login)
      expect((await there.run('echo there >/tmp/who; cat /tmp/who')).stdout).toBe('there\n')
      // What served the session that the fork was made with has heard that its other end is gone.
      const sessions = async (one: SshSession) => (await one.run('pidof dropbear')).stdout.trim().split(' ').length
      expect(await sessions(there)).toBe(await sessions(ssh))
      expect((await ssh.run('cat /tmp/who')).stdout).toBe('here\n')
    } finally {
      await fork.close()
    }

    await vm.restore(kept)
    await expect(ssh.run('true')).rejects.toThrow(
      /^the SSH connection to the guest is over before 'true' began: .*the machine goes on from a snapshot$/,
    )
    const again = await vm.ssh(login)
    expect((await again.run('cat /tmp/who; true')).stdout).toBe('')
    await again.close()
    kept.release()
  })

  test('its HTTP server is asked, too', async () => {
    const response = await vm.network.fetch('http://guest/')
    expect(response.text()).toBe('served by busybox\n')
    expect((await vm.network.fetch('http://10.0.2.15/none')).status).toBe(404)
  })
})

test.skipIf(!bare)('files go by the shell where the server has no SFTP', async () => {
  const vm = await launch({ ...machine, ...bare })
  try {
    const ssh = await vm.ssh({ user: 'root', password: PASSWORD })
    const path = join(folder, 'small')
    writeFileSync(
      path,
      Uint8Array.from({ length: 3000 }, (_, i) => i),
      { mode: 0o750 },
    )
    await ssh.copyTo(path, "/tmp/it's")
    await ssh.copyFrom("/tmp/it's", join(folder, 'small-back'))
    expect(readFileSync(join(folder, 'small-back')).equals(readFileSync(path))).toBe(true)
    expect(statSync(join(folder, 'small-back')).size).toBe(3000)
    await expect(ssh.copyFrom('/none', join(folder, 'none'))).rejects.toThrow('cannot be read in the guest')
  } finally {
    await vm.close()
  }
})

test.skipIf(!guest)('machines on one network are each let into, and ask each other', async () => {
  const lan = network({ latency: '1ms' })
  try {
    const machines = await Promise.all([0, 1].map(() => launch({ ...machine, ...guest, network: lan })))
    const login = { user: 'root', password: PASSWORD, timeout: '5m' }
    const [one, two] = await Promise.all(machines.map((vm) => vm.ssh(login)))
    const address = "ifconfig eth0 | sed -n 's/.*inet addr:\\([0-9.]*\\).*/\\1/p'"
    const [here, there] = await Promise.all([one, two].map(async (ssh) => (await ssh.run(address)).stdout.trim()))
    expect([here, there].sort()).toEqual(['10.0.2.15', '10.0.2.16'])
    const ask = `wget -q -O - http://${there}/`
    expect(await one.run(ask)).toMatchObject({ code: 0, stdout: 'served by busybox\n' })
  } finally {
    await lan.close()
  }
})
