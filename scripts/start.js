// `npm start`: from a fresh clone to the support matrix. Needs Node and npm; gets the rest. Arguments go to
// `bootwright matrix`.
import { build, checkNode, exitCode, installPackages, say, setup } from './host.js'

checkNode()
installPackages()
await build()
setup()
const asked = process.argv.slice(2)
const place = asked.some((word) => /^--(out|site|since|merge)/.test(word)) ? [] : ['--site', 'out/site']
const code = exitCode(process.execPath, ['bin/bootwright.js', 'matrix', ...place, ...asked], {
  BOOTWRIGHT_NO_BUILD: '1',
})
if (place.length > 0)
  say(
    `Images of your own: put them into a folder, set BOOTWRIGHT_IMAGES to it, and run it again ('npx bootwright images ls' says what guests want).`,
  )
process.exit(code)
