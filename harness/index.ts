/// <reference types="node" preserve="true" />
/** What `import … from 'bootwright'` gives: machines to drive, guests and their conditions, and what both stand on. */
export { cacheFolder } from '../machine/firmware/find-firmware.js'
export type { RemovableDrive } from '../machine/media/drive-id.js'
export type { LoggedRequest } from '../machine/network/lan/services/request-log.js'
export { SnapshotError } from '../machine/state/snapshot-error.js'
export type { MachineConfig } from './config/machine-config.js'
export type { Guest, GuestDefinition, Level } from './guest/guest.js'
export { defineGuest, GuestError, guestMachine, guestNames, guestSteps, levelSteps, loadGuest } from './guest/guest.js'
export type { GuestMedium } from './guest/guest-media.js'
export {
  blankDisk,
  built,
  download,
  file,
  findMedium,
  image,
  MissingMediaError,
  packageFile,
} from './guest/guest-media.js'
export type { MediumSource } from './guest/medium-source.js'
export type { BootStep, Pattern } from './keys/boot-command.js'
export { parseBootCommand } from './keys/boot-command.js'
export { type AreaMatch, bestMatch, type MatchOptions, matchNeedle, type NeedleMatch } from './needles/match.js'
export { loadNeedle, type Needle } from './needles/needle.js'
export { NeedleError } from './needles/needle-file.js'
export { NeedleSet, openNeedles } from './needles/needle-set.js'
export type { MediumConfig } from './options/media-config.js'
export type { HttpFunction, HttpRequest, HttpResponse, NetworkWords } from './options/network-words.js'
export { type BitmapFont, FontError, type LearnOptions, learnFont } from './picture/bitmap-font.js'
export { OcrMissingError } from './picture/ocr.js'
export { areaHash } from './picture/screen-areas.js'
export {
  type Area,
  type Comparison,
  comparePictures,
  decodePng,
  encodePng,
  readPng,
  writePng,
} from './picture/screenshot.js'
export { encodeVideo, type VideoFrame } from './picture/video.js'
export type { Condition, ExitReason } from './protocol/condition.js'
export type { TraceInput } from './protocol/messages.js'
export type { Look, RunResult, Script, Shot, Step } from './protocol/script.js'
export { type Stage, StageError, type StageOptions, stage } from './stages/stage.js'
export { InfrastructureError, VmError } from './thread/errors.js'
export { VmThread, type VmThreadOptions } from './thread/machine-thread.js'
export type { Snapshot } from './thread/snapshot.js'
export { all, any, exit, graphics, needle, picture, reach, serial, still, text } from './vm/conditions.js'
export type { Cpu, Memory, MemoryOptions, Registers, Where } from './vm/debug.js'
export type { Duration, TimeoutOptions } from './vm/driver.js'
export {
  ActionError,
  ConnectionError,
  GuestExitError,
  InterruptedError,
  LaunchError,
  MachineClosedError,
  TimeoutError,
  VmFailure,
} from './vm/errors.js'
export type { VmExit } from './vm/exit.js'
export { type LaunchOptions, launch } from './vm/launch.js'
export { Measured } from './vm/measure.js'
export type { NeedleLocator } from './vm/needle-locator.js'
export type { GuestRequest, GuestResponse } from './vm/network/guest-http.js'
export type { ConnectOptions, GuestConnection, Network } from './vm/network/network.js'
export {
  type NetworkSnapshot,
  network,
  type SharedNetwork,
  type SharedNetworkOptions,
} from './vm/network/shared-network.js'
export {
  SshError,
  SshMissingError,
  type SshOptions,
  type SshResult,
  type SshRunOptions,
  type SshSession,
} from './vm/network/ssh.js'
export type { Region, Screen } from './vm/screen.js'
export type { SerialLine, SerialLines } from './vm/serial.js'
export type { CommandResult, Shell, ShellOptions } from './vm/serial-shell.js'
export type { VmSnapshot } from './vm/snapshots.js'
export type { TextLocator } from './vm/text-locator.js'
export { TraceRecorder, type TraceSink } from './vm/trace.js'
export { type ExitExpectation, type GdbFork, Vm, type WatchOptions } from './vm/vm.js'
