/** Debian's packages, unpacked, for guests that are made of them: fetched once by the host's own apt. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { cacheFolder } from '../../machine/firmware/find-firmware.js'

/** The folder that they are unpacked in; undefined where apt does not have them. */
export function unpackedPackages(name: string, packages: readonly string[]): string | undefined {
  const folder = join(cacheFolder(), 'test-packages', name)
  if (existsSync(folder)) return folder
  const making = `${folder}.${process.pid}`
  mkdirSync(making, { recursive: true })
  try {
    const quiet = { cwd: making, stdio: 'ignore', timeout: 120_000 } as const
    execFileSync('apt-get', ['download', ...packages], quiet)
    for (const file of readdirSync(making).filter((one) => one.endsWith('.deb'))) {
      execFileSync('dpkg-deb', ['-x', file, '.'], quiet)
      rmSync(join(making, file))
    }
    renameSync(making, folder)
    return folder
  } catch {
    rmSync(making, { recursive: true, force: true })
    return existsSync(folder) ? folder : undefined
  }
}
