import { all, defineGuest, graphics, picture, still } from 'bootwright'
import { DEBIAN, debianFiles } from '../debian-12.js'
import { firmware } from '../levels.js'

/** The mode that Linux's own driver for the Bochs VBE extensions begins with. */
const [width, height] = [1280, 800]

// The pixels are QEMU 7.2's.
export default defineGuest({
  ...DEBIAN,
  name: 'debian-12-amd64-gtk-installer',
  title: 'Debian 12 amd64, graphical installer',
  machine: {
    memory: 1024,
    // As in the boot menu of Debian's netboot image.
    kernel: { ...debianFiles('amd64', 'gtk'), append: 'vga=788 --- quiet' },
  },
  levels: [
    firmware,
    { name: 'kernel', title: 'the mode of vga=788', until: graphics(800, 600) },
    { name: 'userland', title: 'the driver bochs-drm is loaded', until: graphics(width, height), timeout: '15m' },
    {
      name: 'installer',
      title: 'the page “Select a language”, as in QEMU to the pixel',
      // Still, too: the list scrolls to its row in several pieces.
      until: all(
        picture({
          title: 'the title, rows of the list and the buttons',
          width,
          height,
          areas: [
            {
              x: 12,
              y: 84,
              width: 140,
              height: 20,
              sha256: '2af2146d2b5ba8ecad9944719f0e849406eb2f2395d18b240251f19d6aba647f',
            },
            {
              x: 20,
              y: 443,
              width: 300,
              height: 23,
              sha256: 'a7e76add126805db4b71dbe13e6ae96ebad5bae3c459864d728433d041408003',
            },
            {
              x: 20,
              y: 180,
              width: 280,
              height: 60,
              sha256: 'e30d414b3cc40b09f2ffc2ea02ff543e583678d00bde533edb744e324d26669f',
            },
            {
              x: 1060,
              y: 760,
              width: 210,
              height: 30,
              sha256: 'c3d98e774cb54eb79c007dd6fa4e40b62e27faf7354a508c65a6bddfb4beee3a',
            },
          ],
        }),
        still('1s'),
      ),
      timeout: '15m',
    },
  ],
  hostTimeout: '60m',
  heavy: 'executes some 20,000 million instructions',
})
