/** For this folder of a checkout alone: without it vitest takes the project's. A `node_modules` here would be npm's root. */
export default { root: import.meta.dirname, cacheDir: '../node_modules/.vite' }
