/** The import fences of ARCHITECTURE.md: who may import whom, checked on the text of every source file. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { dirname, join, posix, relative, sep } from 'node:path'

interface Fence {
  /** Folders and files of ours that a room may import beside itself. */
  code: readonly string[]
  /** Those of which it may import types alone. */
  types?: readonly string[]
}

const EVERYTHING_BELOW = ['machine', 'reports', 'fixtures']
/** What several rooms of the harness stand on: plain data and functions that know no machine that runs. */
const GROUND = ['harness/units', 'harness/words', 'harness/keys', 'harness/picture', 'harness/protocol', 'machine']

/** Who may import whom; of the rooms that a file lies in, the innermost counts. */
export const FENCES: { readonly [room: string]: Fence } = {
  // The machine: its contracts, and how one is put together, run and saved.
  machine: { code: [] },
  'machine/boards': { code: ['machine'] },
  'machine/bus': { code: ['machine/device', 'machine/state'], types: ['machine/cpu/engine'] },
  'machine/chipset': {
    code: [
      'machine/clock',
      'machine/device',
      'machine/bus',
      'machine/devices/timer',
      'machine/firmware/tables',
      'machine/state',
    ],
  },
  'machine/cpu': {
    code: ['machine/errors', 'machine/device', 'machine/host', 'machine/state'],
    types: ['machine/exploration'],
  },
  // What a debugger sees and does; the engine stops for it.
  'machine/debug': {
    code: ['machine/cpu', 'machine/errors'],
    types: ['machine/bus/memory-map', 'machine/device', 'machine/report'],
  },
  // A device knows its clock, its media, the words of ACPI, and types of what its slot gives; all else is handed in.
  'machine/devices': {
    code: [
      'machine/clock',
      'machine/device',
      'machine/errors',
      'machine/media',
      'machine/network',
      'machine/random-numbers',
      'machine/state',
      'machine/firmware/tables',
    ],
    types: ['machine/bus/pci-function', 'machine/chipset/i8237'],
  },
  'machine/firmware': {
    code: ['machine/errors', 'machine/device', 'machine/devices/firmware'],
    types: ['machine/cpu/engine', 'machine/machine'],
  },
  'machine/host': { code: ['machine/errors'] },
  'machine/media': { code: ['machine/errors', 'machine/device', 'machine/host'] },
  'machine/network': { code: ['machine/clock', 'machine/device', 'machine/random-numbers', 'machine/state'] },
  'machine/state': {
    code: ['machine/errors', 'machine/device', 'machine/host', 'machine/media'],
    types: ['machine/clock', 'machine/cpu/engine'],
  },
  // Results carry what a machine has to tell.
  reports: { code: ['machine/errors', 'machine/host/output-file', 'machine/report'] },
  fixtures: { code: ['machine/media', 'machine/host', 'machine/errors'] },
  // index.ts, what a test author imports.
  harness: { code: EVERYTHING_BELOW },
  'harness/units': { code: [] },
  'harness/words': { code: ['machine', 'reports'], types: ['harness/protocol'] },
  'harness/keys': { code: ['harness/units', 'harness/words'], types: ['harness/picture'] },
  'harness/picture': { code: ['machine'], types: ['harness/protocol'] },
  'harness/needles': { code: ['harness/keys', 'harness/picture', 'harness/words', 'machine', 'reports'] },
  // The table of a machine's options: what they say, in every place where they can be said.
  'harness/options': {
    code: ['harness/units', 'harness/words', 'machine', 'reports'],
    types: ['harness/config'],
  },
  'harness/config': { code: ['harness/options', 'harness/picture', 'harness/words', 'machine'] },
  // Plain data that crosses threads: no code of either side.
  'harness/protocol': {
    code: ['machine/errors'],
    types: ['harness/config', 'harness/keys', 'harness/needles', 'harness/picture', 'machine'],
  },
  // The machine's thread.
  'harness/runtime': { code: [...GROUND, 'harness/config', 'harness/needles', 'harness/thread/snapshot-files'] },
  // A guest's way out, by sockets of the host's.
  'harness/outside': { code: ['machine/errors', 'machine/network', 'harness/config'] },
  // Its other end.
  'harness/thread': { code: [...GROUND, 'harness/config', 'harness/coverage/coverage-records', 'harness/outside'] },
  // The test's thread.
  'harness/vm': {
    code: [
      ...GROUND,
      'harness/config',
      'harness/guest',
      'harness/live',
      'harness/needles',
      'harness/options',
      'harness/thread',
      'reports',
    ],
  },
  'harness/explore': { code: ['harness/vm', 'harness/words', 'machine'] },
  'harness/coverage': { code: ['harness/config', 'machine'], types: ['reports'] },
  // Images of guests on the host's disk and on the web.
  'harness/images': { code: ['machine'] },
  'harness/guest': {
    code: [...GROUND, 'harness/config', 'harness/images', 'harness/options', 'harness/thread', 'reports'],
  },
  // Work that is done by other hosts: no word here of what the work is but its names.
  'harness/queue': { code: ['machine/errors'] },
  'harness/stages': { code: [...GROUND, 'harness/config', 'harness/options', 'harness/thread', 'harness/vm'] },
  'harness/live': { code: [...GROUND], types: ['harness/thread'] },
  'harness/codegen': {
    code: [...GROUND],
    types: ['harness/live', 'harness/thread', 'harness/vm'],
  },
  'harness/vitest': {
    code: ['harness', 'machine/host/output-file', 'reports'],
    types: ['machine/devices/display/display'],
  },
  'harness/cli': { code: ['harness', ...EVERYTHING_BELOW] },
  // Guests import from 'bootwright', as users' do.
  guests: { code: ['fixtures', 'machine/host/whole-file'] },
  test: { code: [...EVERYTHING_BELOW, 'harness', 'guests'] },
}

/** Packages that users may leave out, so that they are no dependencies. */
const OPTIONAL_PACKAGES = ['ssh2', 'tesseract.js', 'tsx', 'vitest']
/** Packages that come as a part of the bundle, since what they depend on has an install script. */
const BUNDLED_PACKAGES = ['bullmq', 'ioredis']

export interface Violation {
  file: string
  imports: string
  why: string
}

const IMPORT =
  /(?:^|\n)\s*(?:import|export)\b[^'"`;]*?\bfrom\s*(['"])([^'"\n]+)\1|(?:^|\n)\s*import\s*(['"])([^'"\n]+)\3|\bimport\(\s*(['"])([^'"\n]+)\5/g

/** What a file's text imports, comments left out. */
export function importsOf(text: string): { path: string; typeOnly: boolean }[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/[^\n]*/g, '$1')
  return [...code.matchAll(IMPORT)].map((found) => ({
    path: found[2] ?? found[4] ?? found[6],
    typeOnly: /^\s*(import|export)\s+type\b/.test(found[0]) || /\btypeof\s*$/.test(code.slice(0, found.index)),
  }))
}

/**
 * @param file Relative to the project, with `/`.
 * @param packages The names in the project's `dependencies`.
 */
export function check(file: string, text: string, packages: readonly string[]): Violation[] {
  const room = roomOf(file)
  if (room === undefined) return []
  const { code, types = [] } = FENCES[room]
  const allowed = [room, ...code]
  return importsOf(text).flatMap(({ path: imports, typeOnly }) => {
    if (imports.startsWith('.')) {
      const target = posix.normalize(posix.join(posix.dirname(file), imports))
      if ((typeOnly ? [...allowed, ...types] : allowed).some((folder) => isWithin(target, folder))) return []
      const may = code.length > 0 ? `itself and ${code.join(', ')}` : 'itself alone'
      const also = types.length > 0 ? `, and types of ${types.join(', ')}` : ''
      return [{ file, imports, why: `${room} may import ${may}${also}` }]
    }
    if (isBuiltin(imports) || room === 'test') return []
    const name = imports.split('/', imports.startsWith('@') ? 2 : 1).join('/')
    if (name === 'bootwright' && room === 'guests') return []
    if ([...packages, ...OPTIONAL_PACKAGES, ...BUNDLED_PACKAGES].includes(name)) return []
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

/** Rooms, and what they may import, that are not there: a fence nobody meets. */
export function missingRooms(root: string): string[] {
  const named = Object.entries(FENCES).flatMap(([room, { code, types = [] }]) => [room, ...code, ...types])
  const isThere = (path: string) => existsSync(join(root, path)) || existsSync(join(root, `${path}.ts`))
  return [...new Set(named)].filter((path) => !isThere(path))
}

/** Folders of a fenced room's that have no fence themselves, though their neighbours have one each. */
export function unfenced(root: string): string[] {
  return ['machine', 'harness'].flatMap((room) =>
    readdirSync(join(root, room), { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && FENCES[`${room}/${entry.name}`] === undefined)
      .map(({ name }) => `${room}/${name}`),
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

/** Rings of files that import one another, each as its files; the soft engine's core is compiled as one and counts apart. */
export function circles(root: string, rooms: readonly string[]): string[][] {
  const files = rooms
    .flatMap((room) => sources(join(root, room)))
    .map((path) => relative(root, path).split(sep).join('/'))
  const known = new Set(files)
  const edges = new Map(
    files.map((file) => {
      const targets = importsOf(readFileSync(join(root, file), 'utf8')).flatMap(({ path }) => {
        if (!path.startsWith('.')) return []
        const target = posix.normalize(posix.join(posix.dirname(file), path)).replace(/\.js$/, '')
        return known.has(`${target}.ts`) ? [`${target}.ts`] : []
      })
      return [file, targets]
    }),
  )
  return stronglyConnected(edges).filter((ring) => ring.length > 1)
}

/** Tarjan's algorithm. */
function stronglyConnected(edges: ReadonlyMap<string, readonly string[]>): string[][] {
  const index = new Map<string, number>()
  const low = new Map<string, number>()
  const stack: string[] = []
  const found: string[][] = []
  const visit = (node: string): number => {
    const mine = index.size
    index.set(node, mine)
    low.set(node, mine)
    stack.push(node)
    for (const next of edges.get(node) ?? []) {
      if (!index.has(next)) low.set(node, Math.min(low.get(node) as number, visit(next)))
      else if (stack.includes(next)) low.set(node, Math.min(low.get(node) as number, index.get(next) as number))
    }
    if (low.get(node) === mine) found.push(stack.splice(stack.indexOf(node)))
    return low.get(node) as number
  }
  for (const node of edges.keys()) if (!index.has(node)) visit(node)
  return found
}

/** Lines from which on a file has to say in its head why it is one. */
export const LONG = 450
export const WHY = 'longer than others'

/** Files of production that are longer and do not say so. */
export function longFiles(root: string, rooms: readonly string[]): string[] {
  return rooms
    .flatMap((room) => sources(join(root, room)))
    .filter((path) => {
      const lines = readFileSync(path, 'utf8').trimEnd().split('\n')
      const head = lines.slice(0, lines.findIndex((line) => line.endsWith('*/')) + 1).join(' ')
      return (
        lines.length > LONG &&
        !head
          .replace(/\s+\*?\s*/g, ' ')
          .toLowerCase()
          .includes(WHY)
      )
    })
    .map((path) => relative(root, path).split(sep).join('/'))
}
