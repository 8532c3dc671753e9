import sharp from 'sharp'
import { expect, test } from 'vitest'
import { encodeShown, encodeVideo } from '../../../harness/picture/video.js'
import { screen } from '../needles/screens.js'

test('a video has every frame for its time, to the pixel, smaller ones in the corner', async () => {
  const [large, small] = [screen(64, 40, (x) => x), screen(32, 20, () => 200)]
  const webp = await encodeVideo([
    { frame: large, ms: 100 },
    { frame: { width: 0, height: 0, data: new Uint8Array() }, ms: 50 },
    { frame: small, ms: 60_000 },
  ])
  const video = sharp(webp, { animated: true })
  expect(await video.metadata()).toMatchObject({
    format: 'webp',
    pages: 2,
    pageHeight: 40,
    delay: [100, 2000],
    loop: 0,
  })
  const { data, info } = await video.removeAlpha().raw().toBuffer({ resolveWithObject: true })
  expect([info.width, info.height]).toEqual([64, 80])
  const at = (x: number, y: number) => data[(y * 64 + x) * 3]
  expect([at(5, 3), at(63, 39), at(5, 43), at(40, 43), at(5, 70)]).toEqual([5, 63, 200, 0, 0])
})

test('there is no video of nothing', async () => {
  await expect(encodeVideo([])).rejects.toThrow('no picture')
})

test('of more than a video can hold some frames are left out, and of a vast screen some pixels', async () => {
  const most = { ofOne: 6000, ofAll: 30_000 }
  const shown = (width: number, height: number, value: number) => ({
    ...{ width, height, ms: 10 },
    data: () => new Uint8Array(width * height * 4).fill(value),
  })
  const frames = Array.from({ length: 30 }, (_, i) => shown(40, 50, i))
  const many = sharp(await encodeShown(frames, most), { animated: true })
  expect(await many.metadata()).toMatchObject({ width: 40, pageHeight: 50, pages: 15, delay: Array(15).fill(20) })
  const pixels = await many.removeAlpha().raw().toBuffer()
  expect(Array.from({ length: 15 }, (_, i) => pixels[i * 40 * 50 * 3])).toEqual(
    Array.from({ length: 15 }, (_, i) => 2 * i + 1),
  )
  const vast = await encodeShown([shown(300, 10, 1), shown(10, 500, 2)], most)
  expect(await sharp(vast, { animated: true }).metadata()).toMatchObject({ width: 60, pageHeight: 100, pages: 2 })
})
