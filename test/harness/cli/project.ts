/** A project of a user in a folder of its own, whose tests are run by `bootwright test` on what was built before. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type ProgramName, programFloppy } from '../boot-programs.js'
import { bootwright, type CommandOptions, type Ended } from './command.js'

const root = fileURLToPath(new URL('../../..', import.meta.url))

export class Project {
  readonly folder = mkdtempSync(join(tmpdir(), 'project-'))
  readonly report = join(this.folder, 'report')
  readonly results = join(this.folder, 'results')
  /** The host's folder for temporary files, as its tests see it. */
  readonly temporary = join(this.folder, 'tmp')

  constructor() {
    writeFileSync(join(this.folder, 'package.json'), '{"type":"module"}')
    mkdirSync(join(this.folder, 'node_modules'))
    mkdirSync(this.temporary)
    // As npm would install them.
    for (const name of ['vitest', 'vite', '@vitest'])
      symlinkSync(join(root, 'node_modules', name), join(this.folder, 'node_modules', name))
    symlinkSync(root, join(this.folder, 'node_modules', 'bootwright'))
  }

  /** @param body Of a test file that has `test`, `expect`, `stage` and the rest. */
  write(name: string, body: string): void {
    const all = 'describe, expect, stage, test, afterAll, beforeAll'
    writeFileSync(join(this.folder, `${name}.test.ts`), `import { ${all} } from 'bootwright/vitest'\n${body}`)
  }

  /** The path of a floppy that boots the program. */
  floppy(program: ProgramName): string {
    const path = join(this.folder, `${program}.img`)
    writeFileSync(path, programFloppy(program))
    return path
  }

  run(args: readonly string[], options: CommandOptions = {}): Promise<Ended> {
    const env = {
      ...{ BOOTWRIGHT_REPORT: this.report, BOOTWRIGHT_OUTPUT: this.results, TMPDIR: this.temporary },
      ...{ BOOTWRIGHT_CACHE: join(this.folder, 'cache'), VITEST: undefined, GITHUB_STEP_SUMMARY: undefined },
      ...{ CI: undefined, NO_COLOR: '1', FORCE_COLOR: undefined },
    }
    const all = ['test', '--root', this.folder, ...args]
    return bootwright(all, { ...options, env: { ...env, ...options.env } })
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}
