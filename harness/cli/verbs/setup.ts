/** `bootwright setup`: gets what machines and guests need and may be had by anyone: the firmware, Debian's packages. */
import { Command } from 'commander'
import { ensurePackage, installFirmware } from '../../../machine/firmware/install-packages.js'
import { allMedia, guestNames, loadGuest } from '../../guest/guest.js'
import { packagesOf } from '../../guest/guest-media.js'
import { complain, EXIT } from '../errors.js'

export function setupCommand(): Command {
  return new Command('setup')
    .description("get SeaBIOS where it is missing, and with --guests the packages that hold guests' media")
    .option('--guests', "also get the Debian packages with the guests' media")
    .option('--all', 'with --guests: for the guests that take long, too')
    .action(async ({ guests, all }: { guests?: boolean; all?: boolean }) => {
      process.exitCode = await setup(guests ?? false, all ?? false)
    })
}

async function setup(guests: boolean, all: boolean): Promise<number> {
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
  for (const [name, { files, ...how }] of await guestPackages(all)) {
    try {
      const found = await ensurePackage(name, { files, ...how })
      console.log(`✓ ${name}: ${files.map((file) => found.path(file)).join(', ')}`)
    } catch (error) {
      console.log(`✗ ${name}`)
      code = Math.max(code, complain(error))
    }
  }
  return code
}

interface Wanted {
  files: string[]
  unpackOnly?: boolean
  follow?: string
}

/** Package to the files that guests use of it. */
async function guestPackages(all: boolean): Promise<Map<string, Wanted>> {
  const packages = new Map<string, Wanted>()
  for (const name of guestNames()) {
    const guest = await loadGuest(name)
    if (guest.heavy !== undefined && !all) continue
    for (const medium of allMedia(guest)) {
      for (const { package: from, file, unpackOnly, follow } of packagesOf(medium)) {
        const files = packages.get(from)?.files ?? []
        packages.set(from, { files: files.includes(file) ? files : [...files, file], unpackOnly, follow })
      }
    }
  }
  return packages
}
