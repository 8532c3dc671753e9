// `npm start`: from a fresh clone to the support matrix. Needs Node and npm; gets the rest. Arguments go to
// `bootwright matrix`.
import { build, checkNode, exitCode, installPackages, setup } from './host.js'

checkNode()
installPackages()
await build()
setup()
const matrix = ['bin/bootwright.js', 'matrix', ...process.argv.slice(2)]
process.exit(exitCode(process.execPath, matrix, { BOOTWRIGHT_NO_BUILD: '1' }))
