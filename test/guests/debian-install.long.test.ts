/**
 * Debian 12 installs itself, unattended, from its netboot installer and a repository in the LAN, onto an empty virtio disk,
 * and is used from the stages that it leaves. Says what it cost. A second installation gives the same, to the bit of the disk,
 * and a third goes onto an IDE disk.
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { ROOT_PASSWORD } from '../../guests/debian-12/installation.js'
import debian from '../../guests/debian-12-amd64-unattended/guest.js'
import { beforeAll, describe, expect, type Stage, test } from '../../harness/vitest/index.js'
import type { Vm } from '../../harness/vm/vm.js'
import { debianStages } from './debian-stages.js'
import { withoutMedia } from './media-here.js'

const HOURS = 3_600_000

async function hashOfDisk(vm: Vm): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'bootwright-disk-'))
  try {
    const file = join(folder, 'disk.img')
    await vm.media.save('disk0', file)
    const hash = createHash('sha256')
    await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), hash)
    return hash.digest('hex')
  } finally {
    await rm(folder, { recursive: true })
  }
}

interface Outcome {
  instructions: number
  guestTimeNs: number
  /** SHA-256 of all that it holds. */
  disk: string
}

/** What the stage came to: by the guest's own measures alone. */
async function outcome(stage: Stage): Promise<Outcome> {
  const vm = await stage.fork()
  try {
    const { instructions, guestTimeNs } = await vm.look()
    return { instructions, guestTimeNs, disk: await hashOfDisk(vm) }
  } finally {
    await vm.close()
  }
}

/** Builds what is not kept, and says what it cost and came to. */
async function install(stage: Stage, what: string): Promise<Outcome> {
  const began = performance.now()
  await stage.prepare()
  await stage.ready()
  const host = (performance.now() - began) / 1000
  const all = await outcome(stage)
  const { instructions, guestTimeNs, disk } = all
  const costs = `${(instructions / 1e9).toFixed(1)} thousand million instructions, ${(guestTimeNs / 1e9).toFixed(0)} s of guest time`
  console.info(`${what}: ${costs}; ${host.toFixed(0)} s here; disk ${disk.slice(0, 16)}`)
  return all
}

const shell = (vm: Vm) => vm.serial.shell({ login: 'root', password: ROOT_PASSWORD })

const first = debianStages(debian, 'debian-12')
const { login } = first
const again = debianStages(debian, 'debian-12-again')

const isHere = !(await withoutMedia(debian))

describe.skipIf(!isHere)('Debian 12, installed unattended', () => {
  beforeAll(async () => {
    await install(login, 'Debian 12 on a virtio disk')
  }, 3 * HOURS)
  const times: number[] = []

  /** A test on a fork of its own, whose start is measured. */
  function fromLogin(title: string, body: (vm: Vm) => Promise<void>): void {
    test(title, async () => {
      const began = performance.now()
      const vm = await login.fork()
      try {
        await vm.screen.text()
        times.push(performance.now() - began)
        await body(vm)
      } finally {
        await vm.close()
      }
    })
  }

  fromLogin('takes a login on the screen', async (vm) => {
    await expect(vm.screen).toHaveText(/^Debian GNU\/Linux 12 debian tty1/)
    await vm.keyboard.type('root\n')
    await expect(vm.screen).toHaveText(/^Password:/)
    await vm.keyboard.type(`${ROOT_PASSWORD}\n`)
    await expect(vm.screen).toHaveText(/^root@debian:~#/)
    await vm.keyboard.type('tty\n')
    await expect(vm.screen).toHaveText(/^\/dev\/tty1$/)
  })

  fromLogin('takes a login on the serial line, and runs from its disk', async (vm) => {
    const root = await shell(vm)
    expect(await root.run('findmnt -no SOURCE,FSTYPE /')).toMatchObject({ stdout: '/dev/vda1 ext4\n' })
    expect((await root.run('cat /proc/cmdline')).stdout).toMatch(/^BOOT_IMAGE=\/boot\/vmlinuz-.* root=UUID=/)
    expect((await root.run('systemctl --failed --no-legend')).stdout).toBe('')
    // What the installer did is kept by it.
    expect((await root.run('grep -c "" /var/log/installer/syslog')).exitCode).toBe(0)
  })

  fromLogin('installs a package from the LAN’s repository', async (vm) => {
    const root = await shell(vm)
    expect(await root.run('hello')).toMatchObject({ exitCode: 127 })
    expect(await root.run('apt-get update && apt-get install -y hello')).toMatchObject({ exitCode: 0 })
    expect(await root.run('hello')).toEqual({ exitCode: 0, stdout: 'Hello, world!\n' })
    await expect(vm.network).toHaveRequested(/\/hello_\S*\.deb/)
  })

  fromLogin('is switched off by its own command, through ACPI', async (vm) => {
    const root = await shell(vm)
    await root.run('systemctl poweroff --no-block')
    await expect(vm).toExit({ reason: 'poweroff' })
  })

  fromLogin('is switched off by the power button', async (vm) => {
    await vm.power.button()
    await expect(vm).toExit({ reason: 'poweroff' })
  })

  test('started each of them in less than a second', () => {
    console.info(`forks of the installed Debian: ${times.map((ms) => `${ms.toFixed(0)} ms`).join(', ')}`)
    expect(times).toHaveLength(5)
    // The median: a host that does other things as well makes one or two wait.
    expect(times.sort((a, b) => a - b)[2]).toBeLessThan(1000)
  })
})

describe.skipIf(!isHere)('Debian 12, installed onto an IDE disk', () => {
  const ide = debianStages(debian, 'debian-12-ide', { disks: [{ size: '4G', if: 'ide' }] })
  for (const reached of ['base', 'kernel', 'installed', 'login'] as const)
    test(`reaches its stage '${reached}'`, { timeout: 3 * HOURS }, async () => {
      await install(ide[reached], `Debian 12 on an IDE disk, ${reached}`)
    })

  test('runs from it by DMA, and is switched off', { timeout: 3 * HOURS }, async () => {
    const vm = await ide.login.fork()
    try {
      const root = await shell(vm)
      expect(await root.run('findmnt -no SOURCE,FSTYPE /')).toMatchObject({ stdout: '/dev/sda1 ext4\n' })
      expect((await root.run('cat /sys/class/ata_device/dev*.0/dma_mode')).stdout).toContain('XFER_MW_DMA_2')
      expect((await root.run('systemctl --failed --no-legend')).stdout).toBe('')
      await root.run('systemctl poweroff --no-block')
      await expect(vm).toExit({ reason: 'poweroff' })
    } finally {
      await vm.close()
    }
  })
})

describe.skipIf(!isHere)('Debian 12, installed once more', () => {
  // Stage by stage: what differs is known when the first of them does, and a run that is cut short goes on from the last.
  for (const reached of ['base', 'kernel', 'installed', 'login'] as const) {
    test(`is the same at its stage '${reached}': instructions, guest time and disk`, {
      timeout: 3 * HOURS,
    }, async () => {
      const one = await install(first[reached], `Debian 12, ${reached}`)
      expect(await install(again[reached], `Debian 12 once more, ${reached}`)).toEqual(one)
    })
  }
})
