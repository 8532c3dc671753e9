/** What one process does at a time, and the others wait for: held by a file with the number of the process in it. */
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { link, mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** How often it is looked whether the other is through, ms. */
const LOOK = 200

/** Runs `action` while no other process does so for the same file. The lock of a process that is gone does not count. */
export async function withLock<T>(file: string, action: () => Promise<T>): Promise<T> {
  const lock = `${file}.lock`
  await mkdir(join(file, '..'), { recursive: true })
  while (!(await tryLock(lock))) {
    if (!isHeld(lock)) await takeAway(lock)
    await new Promise((resolve) => setTimeout(resolve, LOOK))
  }
  try {
    return await action()
  } finally {
    await rm(lock, { force: true })
  }
}

/** The file appears with its contents in it: a process that ends while it writes leaves no lock that nobody holds. */
async function tryLock(lock: string): Promise<boolean> {
  const own = `${lock}.${process.pid}-${randomUUID()}`
  try {
    await writeFile(own, `${process.pid}`)
    await link(own, lock)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    return false
  } finally {
    await rm(own, { force: true })
  }
}

/** By renaming it, which one process alone can do; another may have taken it over since it was looked at. */
async function takeAway(lock: string): Promise<void> {
  const stale = `${lock}.${process.pid}-${randomUUID()}`
  try {
    await rename(lock, stale)
    if (isHeld(stale)) await link(stale, lock)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ENOENT' && code !== 'EEXIST') throw error
  } finally {
    await rm(stale, { force: true })
  }
}

/** Whether the process that took it is still there. */
export function isHeld(lock: string): boolean {
  try {
    const pid = Number(readFileSync(lock, 'utf8'))
    if (!Number.isInteger(pid) || pid <= 0) return false
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
