/** U-Boot's own drivers of e1000 and virtio-net: a lease, an echo, and a file by TFTP. It draws nothing on its screen, in QEMU, too. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { afterAll, expect, test } from 'vitest'
import uBoot from '../../guests/u-boot/guest.js'
import { launch } from '../../harness/vm/launch.js'
import { Random } from '../random.js'
import { withoutMedia } from './media-here.js'

const folder = mkdtempSync(join(tmpdir(), 'bootwright-u-boot-'))
afterAll(() => rmSync(folder, { recursive: true }))
const random = new Random(13)
const file = Uint8Array.from({ length: 2_000_000 }, () => random.u32() >>> 24)
writeFileSync(join(folder, 'file'), file)

test.skipIf(await withoutMedia(uBoot)).each([
  ['e1000', 'e1000#0', '52:54:00:12:34:56'],
  // Its driver reads the first byte of the address six times, in QEMU, too.
  ['virtio-net-pci', 'virtio-net#0', '52:52:52:52:52:52'],
])('%s', async (type, name, mac) => {
  const vm = await launch({
    ...({ guest: uBoot, engine: 'soft', nic: `${type},romfile=`, timeout: '2m', hostTimeout: '10m' } as const),
    network: { tftp: folder },
  })
  try {
    await vm.serial.waitFor('Hit any key')
    await vm.serial.write(' ')
    await vm.serial.waitFor('\n=> ')
    const ask = async (command: string, end: string) => {
      // An echo of the line is not its answer.
      await vm.serial.write(`${command}; echo ${end}''${end}\n`)
      await vm.serial.waitFor(`\n${end}${end}`)
    }
    await ask('setenv autoload no; virtio scan; net list; dhcp; ping 10.0.2.2', 'lease')
    await ask(`tftpboot 0x1000000 10.0.2.2:file; crc32 0x1000000 \${filesize}`, 'file')
    const text = vm.serial.text()
    expect(text).toContain(`${name} ${mac}`)
    expect(text).toMatch(/DHCP client bound to address 10\.0\.2\.15/)
    expect(text).toContain(`Using ${name} device`)
    expect(text).toContain('host 10.0.2.2 is alive')
    expect(text).toContain(`==> ${crc32(file).toString(16).padStart(8, '0')}`)
    const requests = (await vm.network.requests()).map(({ protocol, what, result }) => `${protocol} ${what} ${result}`)
    expect(requests).toContain('tftp read file 2000000 bytes')
  } finally {
    await vm.close()
  }
})
