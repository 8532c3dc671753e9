/** `bootwright images`: what guests boot from, where it is, and the store of what was fetched. */
import { statSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { Command } from 'commander'
import { HostError } from '../../../machine/errors.js'
import { ensurePackage } from '../../../machine/firmware/install-packages.js'
import { hashOfFile } from '../../../machine/host/file-hash.js'
import { printable } from '../../../reports/printable.js'
import { allMedia, type Guest, guestNames, loadGuest } from '../../guest/guest.js'
import { describeMedium, findMedium, type GuestMedium, MissingMediaError, partsOf } from '../../guest/guest-media.js'
import { type Download, downloaded, fetchImage } from '../../images/download.js'
import { imagesFolder, storedImages } from '../../images/image-store.js'
import { readLock } from '../../images/lock-file.js'
import { complaint, EXIT } from '../errors.js'
import { paragraphs } from '../help.js'
import { printJson } from '../run-report.js'

/** Between two lines of a download's progress where there is no terminal, ms. */
const EVERY = 5000

export function imagesCommand(): Command {
  return new Command('images')
    .description("guests' images: which there are, fetch them, check them, remove what nothing needs")
    .addCommand(
      new Command('ls')
        .description('what guests boot from, and where it is on this host')
        .argument('[guests...]', 'guests by name or path; default all')
        .option('--json', 'print it as JSON')
        .action(list),
    )
    .addCommand(
      new Command('get')
        .description('fetch what guests boot from: from the web, and from Debian packages')
        .argument('[guests...]', 'guests by name or path; default all but those that take long')
        .option('--all', 'those that take long, too')
        .action(async (guests: string[], { all }: { all?: boolean }) => {
          process.exitCode = await get(guests, all ?? false)
        }),
    )
    .addCommand(
      new Command('verify')
        .description('read all that was fetched, and say what is not as it was: exit code 1')
        .action(async () => {
          process.exitCode = await verify()
        }),
    )
    .addCommand(
      new Command('gc')
        .description('remove what was fetched and no lock file or unfinished download names')
        .option('--dry-run', 'only say what would be removed')
        .action(collect),
    )
    .addHelpText('after', () => paragraphs(HELP))
}

const HELP = `
Images of one's own go into the folder that BOOTWRIGHT_IMAGES names, under their usual names or, where a guest says the hash,
under any; packed ones (xz, gz, zst, zip) are unpacked. What is fetched is kept under its hash in the user's cache, or below
BOOTWRIGHT_CACHE; guests.lock.json in the working directory says what each address gave first. Proxies are those of HTTP_PROXY,
HTTPS_PROXY and NO_PROXY.`

interface Row {
  guest: string
  medium: string
  path?: string
  bytes?: number
  missing?: string
}

async function list(names: string[], { json }: { json?: boolean }): Promise<void> {
  const rows: Row[] = []
  for (const guest of await guestsNamed(names))
    for (const medium of allMedia(guest)) rows.push(await rowOf(guest, medium))
  if (json) return printJson(rows)
  const width = Math.max(...rows.map(({ guest }) => guest.length))
  for (const { guest, medium, path, bytes, missing } of rows) {
    const state = path === undefined ? `- ${missing}` : `✓ ${medium}: ${path}, ${megabytes(bytes ?? 0)}`
    console.log(printable(`${guest.padEnd(width)}  ${state}`))
  }
}

async function rowOf({ name }: Guest, medium: GuestMedium): Promise<Row> {
  const row = { guest: name, medium: describeMedium(medium) }
  try {
    const path = await findMedium(medium)
    return { ...row, path, bytes: statSync(path).size }
  } catch (error) {
    if (!(error instanceof MissingMediaError)) throw error
    return { ...row, missing: error.message }
  }
}

async function guestsNamed(names: readonly string[]): Promise<Guest[]> {
  return Promise.all((names.length > 0 ? [...new Set(names)] : guestNames()).map(loadGuest))
}

/** The exit code: 3 where something cannot be had. The rest is fetched all the same. */
async function get(names: readonly string[], all: boolean): Promise<number> {
  let code: number = EXIT.ok
  const seen = new Set<string>()
  for (const guest of await guestsNamed(names)) {
    if (names.length === 0 && guest.heavy !== undefined && !all) continue
    for (const part of allMedia(guest).flatMap(partsOf)) {
      const key = JSON.stringify(part)
      if (seen.has(key)) continue
      seen.add(key)
      try {
        const where = await got(part)
        if (where) console.log(printable(`✓ ${describeMedium(part)}: ${where}`))
      } catch (error) {
        const { message, exitCode } = complaint(error)
        console.log(printable(`✗ ${describeMedium(part)}`))
        process.stderr.write(`bootwright: ${message}\n`)
        code = Math.max(code, exitCode)
      }
    }
  }
  return code
}

/** undefined for what nobody can fetch. */
async function got(part: GuestMedium): Promise<string | undefined> {
  if (part.kind === 'package') {
    const { file, unpackOnly, follow } = part
    return (await ensurePackage(part.package, { files: [file], unpackOnly, follow })).path(file)
  }
  if (part.kind !== 'download') return undefined
  const before = downloaded(part)
  if (before) return before.path
  const image = await fetchImage(part, { onProgress: progress(part) })
  return `${image.path}, ${megabytes(image.bytes)}`
}

function progress({ url }: Download): (done: number, total: number | undefined) => void {
  let next = performance.now() + (process.stderr.isTTY ? 0 : EVERY)
  return (done, total) => {
    const over = done === total
    if (performance.now() < next && !over) return
    next = performance.now() + (process.stderr.isTTY ? 200 : EVERY)
    const percent = total ? `${Math.floor((done / total) * 100)} %, ` : ''
    const line = `${url.split('/').at(-1)}: ${percent}${megabytes(done)}${total ? ` of ${megabytes(total)}` : ''}`
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${over ? '' : printable(line)}`)
    else if (!over) process.stderr.write(`bootwright: ${printable(line)}\n`)
  }
}

async function verify(): Promise<number> {
  const images = storedImages()
  let damaged = 0
  for (const { sha256, path } of images) {
    if ((await hashOfFile(path)) === sha256) continue
    damaged++
    console.log(`✗ ${path} is not what it was: remove it, and get it again`)
  }
  console.log(`${images.length - damaged} of ${images.length} images in ${imagesFolder()} are as they were`)
  return damaged > 0 ? EXIT.failed : EXIT.ok
}

async function collect({ dryRun }: { dryRun?: boolean }): Promise<void> {
  const locked = new Set(Object.values(readLock()).map(({ sha256, image }) => (image ?? { sha256 }).sha256))
  let bytes = 0
  for (const image of storedImages()) {
    if (locked.has(image.sha256)) continue
    try {
      if (!dryRun) await rm(image.path)
    } catch (error) {
      throw new HostError(`${image.path} cannot be removed: ${(error as Error).message}`)
    }
    bytes += image.bytes
    console.log(`${dryRun ? 'would remove' : 'removed'} ${image.path}`)
  }
  console.log(`${dryRun ? 'would free' : 'freed'} ${megabytes(bytes)}`)
}

function megabytes(bytes: number): string {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`
}
