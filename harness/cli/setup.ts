/** `bootwright setup`: gets what machines and guests need and may be had by anyone: the firmware, Debian's packages. */
import { Command } from 'commander'
import { ensurePackage, installFirmware } from '../../machine/firmware/install-packages.js'
import { allMedia, guestNames, loadGuest } from '../guest.js'
import { packagesOf } from '../guest-media.js'
import { complain, EXIT } from './errors.js'

export function setupCommand(): Command {
  return new Command('setup')
    .description("get SeaBIOS where it is missing, and with --guests the packages that hold guests' media")
    .option('--guests', "also get the Debian packages with the guests' media")
    .action(async ({ guests }: { guests?: boolean }) => {
      process.exitCode = await setup(guests ?? false)
    })
}

async function setup(guests: boolean): Promise<number> {
  let code: number = EXIT.ok
  try {
    const { bios, vgaBios } = await installFirmware()
    console.log(`✓ SeaBIOS ${bios.version}: ${bios.path}`)
    console.log(`✓ VGABIOS ${vgaBios.version}: ${vgaBios.path}`)
  } catch (error) {
    // The guests' packages may be had all the same.
    console.log('✗ SeaBIOS')
    code = complain(error)
  }
  if (!guests) return code
  for (const [name, files] of await guestPackages()) {
    try {
      const found = await ensurePackage(name, { files })
      console.log(`✓ ${name}: ${files.map((file) => found.path(file)).join(', ')}`)
    } catch (error) {
      console.log(`✗ ${name}`)
      code = Math.max(code, complain(error))
    }
  }
  return code
}

/** Package to the files that guests use of it. */
async function guestPackages(): Promise<Map<string, string[]>> {
  const packages = new Map<string, string[]>()
  for (const name of guestNames()) {
    for (const medium of allMedia(await loadGuest(name))) {
      for (const { package: from, file } of packagesOf(medium)) {
        const files = packages.get(from) ?? []
        if (!files.includes(file)) packages.set(from, [...files, file])
      }
    }
  }
  return packages
}
