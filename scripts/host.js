// What `npm start` and `npm test` share: a host is made ready with nothing but Node, npm and, where there is one, apt.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))
export const NODE_NEEDED = [20, 19]

export function say(text) {
  process.stdout.write(`${text}\n`)
}

export function fail(sentence, code = 3) {
  process.stderr.write(`${sentence}\n`)
  process.exit(code)
}

/** Runs a command with the terminal; its exit code. */
export function exitCode(command, args, env = {}) {
  const result = spawnSync(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } })
  if (result.error) process.stderr.write(`${command}: ${result.error.message}\n`)
  return result.status ?? 1
}

/** Runs a command with the terminal; true when it went well. */
export function run(command, args, env = {}) {
  return exitCode(command, args, env) === 0
}

/** Runs a program of a package in node_modules. */
export function runBin(name, args, env = {}) {
  return run(join(root, 'node_modules/.bin', name), args, env)
}

/** Runs such a program while others run: whether it went well, and all that it said. */
export function hearBin(name, args) {
  const child = spawn(join(root, 'node_modules/.bin', name), args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  const hear = (text) => {
    output += text
  }
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', hear)
  return new Promise((resolve) => {
    child.on('error', (error) => resolve({ ok: false, output: `${name}: ${error.message}\n` }))
    child.on('close', (code) => resolve({ ok: code === 0, output }))
  })
}

export function hasCommand(name) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => folder !== '' && existsSync(join(folder, name)))
}

export function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  const [needMajor, needMinor] = NODE_NEEDED
  if (major < needMajor || (major === needMajor && minor < needMinor))
    fail(`Bootwright needs Node ${NODE_NEEDED.join('.')} or newer, and this is ${process.versions.node}.`)
}

/** npm packages, as the lock file has them; install scripts are not run. */
export function installPackages() {
  const installed = statSync(join(root, 'node_modules/.package-lock.json'), { throwIfNoEntry: false })
  const wanted = statSync(join(root, 'package-lock.json'))
  if (installed && installed.mtimeMs >= wanted.mtimeMs) return
  say('Installing npm packages')
  const npm = process.env.npm_execpath
  const args = ['ci', '--ignore-scripts', '--no-fund', '--no-audit', '--loglevel=error']
  // Under npm its own program is run again: PATH may have another.
  const ok = npm?.endsWith('.js') ? run(process.execPath, [npm, ...args]) : run('npm', args)
  if (!ok) fail('The npm packages could not be installed; npm says why above.')
}

export async function build() {
  const { build, isStale } = await import('./build.js')
  if (!isStale()) return
  say('Building')
  if (!build()) fail('The build failed; the errors are above.', 1)
}

/** The firmware, and guests' media that are in Debian packages. What cannot be had is told and does not stop anything. */
export function setup() {
  say('Looking for firmware and guests')
  run(process.execPath, ['bin/bootwright.js', 'setup', '--guests'], { BOOTWRIGHT_NO_BUILD: '1' })
}

/** Debian packages of tools that tests use where they are; only root can install them. */
export function installTools(tools) {
  const missing = Object.entries(tools).filter(([command]) => !hasCommand(command))
  if (missing.length === 0) return
  if (process.getuid?.() === 0 && hasCommand('apt-get')) {
    const apt = (args) => run('apt-get', args, { DEBIAN_FRONTEND: 'noninteractive' })
    const names = missing.map(([, name]) => name)
    say(`Installing ${names.join(', ')}`)
    const install = ['install', '-y', '-qq', '--no-install-recommends', ...names]
    if (apt(['update', '-qq']) && apt(install)) return
  }
  for (const [command, name] of missing)
    say(`${command} is not here (Debian's package ${name}); the tests that need it are skipped`)
}

/** `2 min 5 s` since then. */
export function since(started) {
  const seconds = Math.round((Date.now() - started) / 1000)
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}
