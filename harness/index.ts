/** What `import … from 'bootwright'` gives: machines to drive, guests and their conditions, and what both stand on. */
export { SnapshotError } from '../machine/state/snapshot-error.js'
export { type BitmapFont, FontError, type LearnOptions, learnFont } from './bitmap-font.js'
export type { BootStep, Pattern } from './boot-command.js'
export { parseBootCommand } from './boot-command.js'
export type { Condition, ExitReason } from './condition.js'
export { all, any, exit, graphics, needle, picture, serial, still, text } from './conditions.js'
export type { Guest, GuestDefinition, Level } from './guest.js'
export { defineGuest, GuestError, guestMachine, guestNames, guestSteps, levelSteps, loadGuest } from './guest.js'
export type { GuestMedium } from './guest-media.js'
export { blankDisk, built, file, image, MissingMediaError, packageFile } from './guest-media.js'
export { type LaunchOptions, launch } from './launch.js'
export type { Drive, MachineConfig, MediumConfig } from './machine-config.js'
export type { MediumSource } from './medium-source.js'
export type { NeedleLocator } from './needle-locator.js'
export { type AreaMatch, bestMatch, type MatchOptions, matchNeedle, type NeedleMatch } from './needles/match.js'
export { loadNeedle, type Needle } from './needles/needle.js'
export { NeedleError } from './needles/needle-file.js'
export { NeedleSet, openNeedles } from './needles/needle-set.js'
export { OcrMissingError } from './ocr.js'
export { areaHash } from './screen-conditions.js'
export { type Area, type Comparison, comparePictures, decodePng, encodePng, readPng, writePng } from './screenshot.js'
export type { Look, RunResult, Script, Shot, Step } from './script.js'
export type { CommandResult, Shell, ShellOptions } from './serial-shell.js'
export type { Snapshot } from './snapshot.js'
export { type Stage, StageError, type StageOptions, stage } from './stage.js'
export type { TextLocator } from './text-locator.js'
export { type TraceInput, TraceRecorder, type TraceSink } from './trace.js'
export { encodeVideo, type VideoFrame } from './video.js'
export { type ExitExpectation, Vm, type VmExit } from './vm.js'
export type { Duration, TimeoutOptions } from './vm-driver.js'
export {
  ActionError,
  GuestExitError,
  InterruptedError,
  LaunchError,
  MachineClosedError,
  TimeoutError,
  VmFailure,
} from './vm-errors.js'
export type { Region, Screen } from './vm-screen.js'
export type { SerialLine, SerialLines } from './vm-serial.js'
export type { VmSnapshot } from './vm-snapshot.js'
export { InfrastructureError, VmError, VmThread, type VmThreadOptions } from './vm-thread.js'
