/** The import fences of ARCHITECTURE.md: who may import whom, checked on the text of every source file. */
import { readdirSync, readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { dirname, join, posix, relative, sep } from 'node:path'

/** From each room to the folders of ours that it may import beside itself; the longest prefix that fits a file counts. */
export const FENCES: { readonly [room: string]: readonly string[] } = {
  machine: [],
  // A device knows its clock, its media and the DMA channel's contract; everything else is handed in.
  'machine/devices': ['machine/clock', 'machine/device', 'machine/media', 'machine/chipset/i8237'],
  'machine/media': ['machine/device'],
  reports: [],
  fixtures: ['machine/media'],
  harness: ['machine', 'reports', 'fixtures'],
  guests: ['harness', 'fixtures'],
  test: ['machine', 'reports', 'fixtures', 'harness', 'guests'],
}

/** Packages that users may leave out, so that they are no dependencies. */
const OPTIONAL_PACKAGES = ['tsx', 'vitest', 'tesseract.js']

export interface Violation {
  file: string
  imports: string
  why: string
}

const IMPORT =
  /(?:^|\n)\s*(?:import|export)\b[^'"`;]*?\bfrom\s*(['"])([^'"\n]+)\1|(?:^|\n)\s*import\s*(['"])([^'"\n]+)\3|\bimport\(\s*(['"])([^'"\n]+)\5/g

/** What a file's text imports, comments left out. */
export function importsOf(text: string): string[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/[^\n]*/g, '$1')
  return [...code.matchAll(IMPORT)].map((found) => found[2] ?? found[4] ?? found[6])
}

/**
 * @param file Relative to the project, with `/`.
 * @param packages The names in the project's `dependencies`.
 */
export function check(file: string, text: string, packages: readonly string[]): Violation[] {
  const room = roomOf(file)
  if (room === undefined) return []
  const allowed = [room, ...FENCES[room]]
  return importsOf(text).flatMap((imports) => {
    if (imports.startsWith('.')) {
      const target = posix.normalize(posix.join(posix.dirname(file), imports))
      if (allowed.some((folder) => isWithin(target, folder))) return []
      const may = FENCES[room].length > 0 ? `itself and ${FENCES[room].join(', ')}` : 'itself alone'
      return [{ file, imports, why: `${room} may import ${may}` }]
    }
    if (isBuiltin(imports) || room === 'test') return []
    const name = imports.split('/', imports.startsWith('@') ? 2 : 1).join('/')
    if (packages.includes(name) || OPTIONAL_PACKAGES.includes(name)) return []
    return [{ file, imports, why: `${name} is not in package.json's dependencies` }]
  })
}

/** The whole tree below `root`. */
export function checkTree(root: string): Violation[] {
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    dependencies: { [name: string]: string }
  }
  const rooms = Object.keys(FENCES).filter((room) => !room.includes('/'))
  return rooms
    .flatMap((room) => sources(join(root, room)))
    .flatMap((path) =>
      check(relative(root, path).split(sep).join('/'), readFileSync(path, 'utf8'), Object.keys(dependencies)),
    )
}

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return entry.name === 'node_modules' || entry.name === 'generated' ? [] : sources(path)
    return entry.name.endsWith('.ts') ? [path] : []
  })
}

function roomOf(file: string): string | undefined {
  return Object.keys(FENCES)
    .filter((room) => isWithin(file, room))
    .sort((a, b) => b.length - a.length)[0]
}

function isWithin(path: string, folder: string): boolean {
  return path.startsWith(`${folder}/`) || path.replace(/\.[jt]s$/, '') === folder || dirname(path) === folder
}
