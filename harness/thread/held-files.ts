/** Files of memory and media that a machine's states stand on: each is open for as long as someone holds it. */
import { releaseFiles, retainFiles } from './snapshot.js'

export class HeldFiles {
  /** What the machine itself stands on. */
  private present: readonly number[] = []
  /** What states stand on that its monitor keeps. */
  private readonly kept: (readonly number[])[] = []

  /** The machine goes on from there, and needs no others any more. */
  standOn(files: readonly number[]): void {
    retainFiles(files)
    releaseFiles(this.present)
    this.present = files
  }

  /** It is going to stand on these; until it does, it has its own as well. */
  add(files: readonly number[]): void {
    retainFiles(files)
    this.present = [...this.present, ...files]
  }

  keep(files: readonly number[]): void {
    retainFiles(files)
    this.kept.push(files)
  }

  forget(files: readonly number[]): void {
    const at = this.kept.findIndex((one) => String(one) === String(files))
    if (at >= 0) releaseFiles(this.kept.splice(at, 1)[0])
  }

  releaseAll(): void {
    releaseFiles(this.present)
    this.present = []
    for (const files of this.kept.splice(0)) releaseFiles(files)
  }
}
