/** Its tests by themselves: `cd examples`, and the command there. */
export default { root: import.meta.dirname }
