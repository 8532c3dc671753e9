/** Pictures of the screen as files: PNG at the guest's own resolution. */
import { readFile } from 'node:fs/promises'
import type { Frame } from '../../machine/devices/display/display.js'
import { writeOutputFile } from '../../machine/host/output-file.js'
import { loadSharp } from './sharp.js'

export { type Area, type Comparison, comparePictures } from './compare-pictures.js'

/** The frame as a PNG file's bytes; the same frame always gives the same bytes. */
export function encodePng(frame: Frame): Promise<Uint8Array> {
  const { width, height, data } = frame
  if (width < 1 || height < 1) return Promise.reject(new Error('the screen is off: there is no picture of it'))
  return loadSharp()(data, { raw: { width, height, channels: 4 } })
    .removeAlpha()
    .png({ compressionLevel: 9, palette: false })
    .toBuffer()
}

/** Rejects with an UnwritableFile, or the host's error (`ENOSPC`, …), when the file cannot be written. */
export async function writePng(path: string, frame: Frame): Promise<void> {
  writeOutputFile(path, await encodePng(frame))
}

/** Rejects when there is no picture in the file. */
export async function readPng(path: string): Promise<Frame> {
  return decodePng(await readFile(path))
}

export async function decodePng(bytes: Uint8Array): Promise<Frame> {
  const { data, info } = await loadSharp()(bytes).ensureAlpha().raw().toBuffer({ resolveWithObject: true })
  return { width: info.width, height: info.height, data }
}
