/** The recorded test as files: the test, and its needles beside it in openQA's form. */
import { mkdirSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { writeOutputFile } from '../../machine/host/output-file.js'
import { encodePng } from '../picture/screenshot.js'
import type { LaunchOptions } from '../vm/launch.js'
import { quote, type Recording } from './recording.js'

const NEEDLES = 'needles'
/** os-autoinst's own. */
const MATCH = 96

export function testText(name: string, options: LaunchOptions, recording: Recording): string {
  const hasNeedles = recording.needles().length > 0
  const entries = Object.entries(options).map(([option, value]) => `${option}: ${valueText(value)}`)
  if (hasNeedles) entries.push(`needles: fileURLToPath(new URL('${NEEDLES}', import.meta.url))`)
  const lines = recording.lines().map((line) => `  ${line}`)
  return [
    ...(hasNeedles ? ["import { fileURLToPath } from 'node:url'"] : []),
    "import { expect, test } from 'bootwright/vitest'",
    '',
    'test.use({',
    ...entries.map((entry) => `  ${entry},`),
    '})',
    '',
    `test(${quote(name)}, async ({ vm }) => {`,
    ...lines,
    '})',
    '',
  ].join('\n')
}

/** Rejects with the host's error where a file cannot be written. Returns the paths of what was written. */
export async function writeTest(file: string, options: LaunchOptions, recording: Recording): Promise<string[]> {
  const folder = join(dirname(file), NEEDLES)
  const written: string[] = []
  for (const { name, frame, area } of recording.needles()) {
    mkdirSync(folder, { recursive: true })
    const { x, y, width, height } = area
    const json = {
      area: [{ type: 'match', xpos: x, ypos: y, width, height, match: MATCH }],
      tags: [name],
      properties: [],
    }
    const [jsonFile, pngFile] = ['json', 'png'].map((ending) => join(folder, `${name}.${ending}`))
    writeOutputFile(pngFile, await encodePng(frame))
    writeOutputFile(jsonFile, `${JSON.stringify(json, undefined, 2)}\n`)
    written.push(jsonFile, pngFile)
  }
  writeOutputFile(file, testText(testName(file), options, recording))
  return [file, ...written]
}

/** `first-boot.test.ts` is called `first-boot`. */
export function testName(file: string): string {
  return basename(file).replace(/\.(test|spec)\.[cm]?[jt]s$/, '')
}

function valueText(value: unknown): string {
  if (typeof value === 'string') return quote(value)
  if (value instanceof RegExp) return String(value)
  if (Array.isArray(value)) return `[${value.map(valueText).join(', ')}]`
  if (typeof value === 'object' && value !== null)
    return `{ ${Object.entries(value)
      .map(([name, one]) => `${nameText(name)}: ${valueText(one)}`)
      .join(', ')} }`
  return String(value)
}

function nameText(name: string): string {
  return /^[a-z]\w*$/i.test(name) ? name : quote(name)
}
