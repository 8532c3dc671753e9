import { expect, test } from 'vitest'
import { comparePictures, decodePng, encodePng } from '../../../harness/picture/screenshot.js'
import type { Frame } from '../../../machine/devices/display/display.js'

function picture(width: number, height: number): Frame {
  const data = new Uint8Array(width * height * 4)
  for (let i = 0; i < data.length; i++) data[i] = i % 4 === 3 ? 255 : (i * 7) & 0xff
  return { width, height, data }
}

function changed(frame: Frame, x: number, y: number): Frame {
  const data = frame.data.slice()
  data[(y * frame.width + x) * 4] ^= 1
  return { ...frame, data }
}

test('a PNG gives back every pixel, and is the same every time', async () => {
  const frame = picture(37, 11)
  const png = await encodePng(frame)
  const back = await decodePng(png)
  expect([back.width, back.height]).toEqual([37, 11])
  expect(Buffer.compare(back.data, frame.data)).toBe(0)
  expect(Buffer.compare(png, await encodePng(frame))).toBe(0)
})

test('there is no picture of a screen that is off', async () => {
  await expect(encodePng({ width: 0, height: 0, data: new Uint8Array(0) })).rejects.toThrow('the screen is off')
})

test('equal pictures are equal', () => {
  expect(comparePictures(picture(8, 8), picture(8, 8))).toMatchObject({ equal: true, differentPixels: 0 })
})

test('one bit of one pixel counts', () => {
  const frame = picture(8, 8)
  const result = comparePictures(frame, changed(frame, 3, 4))
  expect(result).toMatchObject({ equal: false, sameSize: true, differentPixels: 1 })
  const at = (4 * 8 + 3) * 4
  expect([...(result.diff as Frame).data.slice(at, at + 4)]).toEqual([255, 0, 0, 255])
})

test('a mask leaves pixels out, and may reach over the edge', () => {
  const frame = picture(8, 8)
  const mask = [{ x: 3, y: 4, width: 100, height: 1 }]
  expect(comparePictures(frame, changed(frame, 3, 4), { mask }).equal).toBe(true)
  expect(comparePictures(frame, changed(frame, 3, 5), { mask }).equal).toBe(false)
  expect(comparePictures(frame, changed(frame, 2, 4), { mask }).equal).toBe(false)
})

test('a threshold lets small differences pass', () => {
  const frame = picture(8, 8)
  expect(comparePictures(frame, changed(frame, 1, 1), { threshold: 0.1 }).equal).toBe(true)
})

test('pictures of different sizes are different', () => {
  expect(comparePictures(picture(8, 8), picture(8, 9))).toEqual({
    equal: false,
    sameSize: false,
    differentPixels: 72,
    diff: undefined,
  })
})
