/**
 * The files that a test left in its folder below `test-results` (or BOOTWRIGHT_OUTPUT), as attachments of its result:
 * `name-expected.png`, `-actual.png` and `-diff.png` are one comparison; other pictures, recordings and texts stand
 * alone.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Attachment, PictureAttachment, ResultFile } from '../../reports/run-result.js'
import { outputFolder, picturePaths, readBaselineName } from './baselines.js'

const KINDS: { readonly [ending: string]: { kind: Exclude<Attachment['kind'], 'picture'>; type: string } } = {
  '.cast': { kind: 'asciicast', type: 'application/x-asciicast' },
  '.webp': { kind: 'video', type: 'image/webp' },
  '.txt': { kind: 'text', type: 'text/plain' },
  '.trace.json': { kind: 'trace', type: 'application/json' },
  '.pcap': { kind: 'capture', type: 'application/vnd.tcpdump.pcap' },
}

export function attachmentsOf(testPath: string, testName: string, since: number): Attachment[] {
  const folder = outputFolder(testPath, testName)
  const paths = filesIn(folder, since)
  const pictures = new Map<string, PictureAttachment>()
  const others: Attachment[] = []
  for (const path of paths) {
    const picture = /^(.*?)(?:-(expected|actual|diff))?\.png$/.exec(path)
    if (picture) {
      const [, name, part = 'actual'] = picture
      const attachment = pictures.get(name) ?? { kind: 'picture', name: `${name}.png` }
      attachment[part as 'expected' | 'actual' | 'diff'] = read(join(folder, path), 'image/png')
      if (picture[2]) {
        const { actual, baseline } = picturePaths(testPath, testName, name)
        attachment.baseline = readBaselineName(actual) ?? baseline
      }
      pictures.set(name, attachment)
      continue
    }
    const ending = Object.keys(KINDS).find((one) => path.endsWith(one))
    if (!ending) continue
    const { kind, type } = KINDS[ending]
    // Frames are downloaded by this name, and who opens them goes by its ending.
    const name = kind === 'capture' ? path : path.slice(0, -ending.length)
    others.push({ kind, name, file: read(join(folder, path), type) })
  }
  return [...[...pictures.values()].map(withStatus), ...others]
}

function withStatus(picture: PictureAttachment): PictureAttachment {
  if (picture.baseline === undefined) return picture
  return { ...picture, status: picture.expected ? 'different' : 'missing' }
}

function read(path: string, type: string): ResultFile {
  return { type, data: readFileSync(path).toString('base64') }
}

/** Those of this run, with `/` between folders. */
function filesIn(folder: string, since: number): string[] {
  try {
    return readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((path) => statOf(path) >= since)
      .map((path) => path.slice(folder.length + 1).replaceAll('\\', '/'))
      .sort()
  } catch {
    return []
  }
}

function statOf(path: string): number {
  return statSync(path).mtimeMs
}
